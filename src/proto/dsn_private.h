/*
 * Between the files of proto/dsn.h; nobody else includes it.
 *
 *     dsn.c           the notification: its header section, its parts, the original
 *     dsn_human.c     the part for people
 *     dsn_machine.c   the part for machines
 *     dsn_text.c      texts of strangers made harmless, and folded
 */
#ifndef AMPEL_PROTO_DSN_PRIVATE_H
#define AMPEL_PROTO_DSN_PRIVATE_H

#include "proto/dsn.h"

enum {
	DSN_LINE = 76,      /* where lines are folded */
	DSN_ADDRESS_MAX = 320,
	DSN_HOST_MAX = 300,
	DSN_TEXT_MAX = 900, /* of an outcome: one word of it still makes a line */
};

void dsn_add_human(struct buf *b, const struct dsn *d);
void dsn_add_machine(struct buf *b, const struct dsn *d);

/* The worst of what became of the recipients; the first of those it became of. */
const struct dsn_recipient *dsn_worst(const struct dsn *d);
size_t                      dsn_count(const struct dsn *d);

/* Whether every byte is ASCII. */
bool dsn_is_ascii(struct bytes text);
/*
 * One line of at most max bytes: printable ASCII, and with utf8 what is valid above
 * that; white space is one blank, everything else "?".
 */
void dsn_add_clean(struct buf *b, struct bytes text, size_t max, bool utf8);
/* An address, so. */
void dsn_add_address(struct buf *b, const struct dsn *d, struct bytes address);
/*
 * Words of a clean text, on lines that start with indent but for the first; the column is
 * where that one stands already. Ends with LF.
 */
void dsn_add_folded(
    struct buf *b, struct bytes text, const char *indent, size_t column);

#endif
