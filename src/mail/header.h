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
	struct bytes value; /* behind the colon, without the final LF; still folded */
	struct bytes raw;   /* the whole field, its final LF included */
};

/*
 * Take the next field off *rest. False at the end of the header section (an
 * empty line, a line that is no field, or no bytes); *rest then starts with that
 * line.
 */
bool header_next(struct bytes *rest, struct header_field *field);

/*
 * The header section of a message that arrives in pieces is copied, without
 * the fields that only we may write: X-Ampel-Verdict and every X-Spam-*. A
 * stranger's copy of them would be believed by people and mail programs. The
 * body passes untouched. Fields Received and Delivered-To are counted, as hops.
 *
 * A line that is no field ends the header section. Only the first line may start
 * with a blank: it continues what others will put on top of the message.
 *
 * Memory is constant: a longer name than HEADER_NAME is nobody's and passes. A
 * name of ours before so many blanks that both are longer is dropped with its line,
 * colon or not.
 */
enum { HEADER_NAME = 64 };

/*
 * Fields that every message is to have may be given to the filter: those whose name the header
 * section lacks are put at its end. A first line that is no field means there is no section:
 * then they and an empty line go on top. A line whose name and blanks are longer than
 * HEADER_NAME counts as the end, for they cannot wait for its colon. A message that ends
 * within a field gets none.
 */
enum { HEADER_ADDITIONS = 2 };

struct header_addition {
	struct bytes name;  /* empty: nothing, or it is there */
	struct bytes field; /* whole, with its LF; borrowed */
};

struct header_filter {
	struct header_addition missing[HEADER_ADDITIONS]; /* set at the start of a message */
	bool   keeps_ours; /* so is this: marks of our own program are in it, not forged ones */
	int    state;    /* private; zeroed is the start of a message */
	bool   has_begun; /* a line of the header section is behind us */
	bool   dropping;
	size_t hops;     /* Received and Delivered-To fields so far */
	size_t dropped;  /* fields removed so far */
	size_t name_len;
	size_t held;     /* bytes of name that have not come out yet */
	char   name[HEADER_NAME]; /* the name, then blanks */
};

/* The same output for every way to cut the message into pieces. */
void header_filter_feed(
    struct header_filter *f, struct bytes piece, struct buf *out);
/* The message has ended: what was held back comes out. */
void header_filter_end(struct header_filter *f, struct buf *out);

/* Whether it is one of the fields that only we may write; no longer one is. */
bool header_is_ours(struct bytes name);

#endif
