/*
 * A session on standard input and output: descriptors 0 and 1, whatever they are: socket, pipe,
 * terminal or file. Blocking, and no longer than a deadline, of clock_monotonic_ms. They are
 * shared with others, so that they are not made non-blocking.
 */
#ifndef AMPEL_IO_STDIO_H
#define AMPEL_IO_STDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * First thing in main: descriptors 0 to 2 are open, to /dev/null where they were not, and
 * signals that others left ignored or blocked are not, but for SIGPIPE, which is ignored. False:
 * there is no /dev/null.
 */
bool stdio_begin(void);

enum stdio_result {
	STDIO_OK,
	STDIO_LATE, /* not in time */
	STDIO_GONE, /* the other end is closed, or broken */
};

/* At least one byte, and at most size; *n says how many. */
enum stdio_result stdio_read(char *p, size_t size, uint64_t deadline_ms, size_t *n);
/* All of it. */
enum stdio_result stdio_write(struct bytes output, uint64_t deadline_ms);
/* Nothing more is said: wait a little until the other end has read that. */
void stdio_linger(void);

#endif
