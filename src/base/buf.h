/*
 * A growing buffer with a maximum at birth. A write that does not fit, or for
 * which there is no memory, sets failed and leaves the buffer as it was; later
 * writes then do nothing. Check failed once, where it matters.
 *
 * The buffer owns its memory; a view of it dies with the next write.
 */
#ifndef AMPEL_BASE_BUF_H
#define AMPEL_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct buf {
	char  *p;
	size_t len;
	size_t cap;
	size_t max;
	bool   failed;
};

/* No memory is taken before the first write. */
void buf_init(struct buf *b, size_t max_bytes);
/* Frees, and may be used on a zeroed or finished buffer. */
void buf_finish(struct buf *b);
/*
 * The same for one that held a secret: all its memory is cleared first. A buffer that grew
 * has left copies behind; ask buf_room for all that may come before the first write.
 */
void buf_wipe(struct buf *b);

/* Empty again, failed forgotten, memory kept. */
void buf_clear(struct buf *b);

void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_bytes(struct buf *b, struct bytes bytes);
void buf_add_string(struct buf *b, const char *string);
void buf_add_char(struct buf *b, char c);
void buf_add_number(struct buf *b, uint64_t number);
void buf_addf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for n bytes to be written by the caller, who then calls buf_grew. */
char *buf_room(struct buf *b, size_t n);
void  buf_grew(struct buf *b, size_t n);

/* Forget the first n bytes. */
void buf_drop(struct buf *b, size_t n);

struct bytes buf_bytes(const struct buf *b);
/* NUL-terminated; "" when even that found no room. */
const char  *buf_string(struct buf *b);

#endif
