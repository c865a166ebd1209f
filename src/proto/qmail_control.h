/*
 * Files of qmail's control/ (qmail-control(5)): one line, or a list of lines. Trailing blanks
 * and tabs do not count; in a list, empty lines and '#' comments do not either.
 */
#ifndef AMPEL_PROTO_QMAIL_CONTROL_H
#define AMPEL_PROTO_QMAIL_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "proto/constant_db.h"

enum { QMAIL_CONTROL_MAX = 64 * 1024 * 1024 };

/* The first line. */
struct bytes qmail_control_line(struct bytes text);
/* False: it is no number, and counts as if it were not there. */
bool qmail_control_number(struct bytes text, uint64_t *out);
/* The next line of a list; *line, if not NULL, grows by the lines taken. False: that was the last. */
bool qmail_control_next(struct bytes *rest, struct bytes *entry, unsigned *line);

/* "key:value", the first ':' divides. Without one the value is empty and false comes. */
bool qmail_control_pair(
    struct bytes entry, struct bytes *key, struct bytes *value);

/*
 * Whether rcpthosts (text of the list) or morercpthosts (its cdb; zeroed: none) has that
 * domain: itself, or a ".suffix" of it. Without case.
 */
bool qmail_control_has_domain(
    struct bytes rcpthosts, const struct constant_db *more, struct bytes domain);
/*
 * badmailfrom: the address itself, or "@domain". Without case, and however the reverse-path is
 * quoted.
 */
bool qmail_control_is_bad_sender(struct bytes badmailfrom, struct bytes reverse_path);

#endif
