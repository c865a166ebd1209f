/*
 * The message of a job: a memory file, or a file on disk that is mostly in memory. It is read in
 * pieces, never mapped: a file that shrinks must not kill us.
 */
#ifndef AMPEL_REMOTE_BODY_H
#define AMPEL_REMOTE_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct body {
	int      fd; /* the job's */
	uint64_t at, size_bytes;
};

/* Whether any octet is above 127, whatever the message was declared to be. */
bool body_has_8bit(const struct body *b);
/* The next piece; it lives until the next call for any body. False: it cannot be read. */
bool body_next(struct body *b, struct bytes *piece);
/* Nothing follows. */
bool body_is_read(const struct body *b);

#endif
