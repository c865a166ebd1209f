/*
 * A message as it stands in an mbox: a line that begins with "From ", behind any number of
 * '>', gets one more; behind the message comes an empty line.
 */
#ifndef AMPEL_DELIVER_QUOTING_H
#define AMPEL_DELIVER_QUOTING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"

/* Zeroed at the start of a message. */
struct quoting {
	bool   is_in_line; /* what comes cannot be a "From " any more */
	bool   is_open;    /* the last line has no end yet */
	size_t held;       /* bytes of "From " that were seen and not yet written */
};

/* Append a piece, cut anywhere: at most twice its size, and QUOTING_HELD. */
enum { QUOTING_HELD = 8 };
void quoting_add(struct quoting *q, struct bytes piece, struct buf *b);
/* The message has ended. */
void quoting_end(struct quoting *q, struct buf *b);

#endif
