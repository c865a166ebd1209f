/*
 * Moves what a filter writes out of its pipe: into the standard input of the next
 * filter, into a file, into a buffer, or nowhere. It never stops reading because
 * the next one is gone: a writer must not die of its reader's death.
 */
#ifndef AMPEL_HIQ_PUMP_H
#define AMPEL_HIQ_PUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"

struct pump;

enum pump_end {
	PUMP_WHOLE,     /* all that was written has been moved */
	PUMP_TOO_LARGE, /* more than max_bytes came */
	PUMP_FAILED,    /* could not be read or stored */
};

struct pump_spec {
	int         from;      /* a pipe, the pump's */
	int         to;        /* a pipe, the pump's; -1: none */
	int         file;      /* stays the caller's; -1: none */
	struct buf *kept;      /* the beginning, as much as fits; NULL: none */
	uint64_t    max_bytes;
};

/* Comes once. Only pump_close is left then. */
typedef void pump_ended(enum pump_end end, void *context);

/* NULL with errno; the pipes are closed in that case too. */
struct pump *pump_open(uv_loop_t *loop, const struct pump_spec *spec,
    pump_ended *ended, void *context);

/*
 * The writer has ended: what is in the pipe now is all, even when some descendant of
 * it still holds the other end. May call `ended`.
 */
void pump_writer_is_gone(struct pump *p);
/* The reader has ended: what comes from now on is dropped. May call `ended`. */
void pump_reader_is_gone(struct pump *p);

/* How many bytes have come. */
uint64_t pump_total(const struct pump *p);

/* Calm when it is NULL. `ended` does not come any more. */
void pump_close(struct pump *p);

#endif
