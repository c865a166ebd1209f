/*
 * Header sections, RFC 5322 section 2.2, in messages with LF line ends.
 */
#ifndef AMPEL_MAIL_HEADER_H
#define AMPEL_MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"

struct header_field {
	struct bytes name;  /* without the colon and blanks before it */
	struct bytes value; /* behind the colon; folded lines still folded */
	struct bytes raw;   /* the whole field, its final LF included */
};

/*
 * Take the next field off *rest. False at the end of the header section (an
 * empty line, a line that is no field, or no bytes), *rest is then the rest.
 */
bool header_next(struct bytes *rest, struct header_field *field);

/*
 * The header section of a message that arrives in pieces is copied, without
 * the fields that only we may write: X-Ampel-Verdict and every X-Spam-*. A
 * stranger's copy of them would be believed by people and mail programs. The
 * body passes untouched. Fields Received and Delivered-To are counted, as hops.
 *
 * Memory is constant: a field name is looked at in at most HEADER_NAME bytes.
 */
enum { HEADER_NAME = 64 };

struct header_filter {
	int    state;           /* private; zeroed is the start of a message */
	bool   dropping;
	size_t hops;            /* Received and Delivered-To fields so far */
	size_t dropped;         /* fields removed so far */
	size_t name_len;
	char   name[HEADER_NAME];
};

/* The same output for every way to cut the message into pieces. */
void header_filter_feed(
    struct header_filter *f, struct bytes piece, struct buf *out);
/* The message has ended: what was held back comes out. */
void header_filter_end(struct header_filter *f, struct buf *out);

/* Whether it is one of the fields that only we may write. */
bool header_is_ours(struct bytes name);

#endif
