/*
 * A stage: one filter at work on one message, or several neighbouring commands
 * that are joined by pipes. One interface for every kind.
 */
#ifndef AMPEL_HIQ_STAGE_H
#define AMPEL_HIQ_STAGE_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "mail/config.h"
#include "mail/envelope.h"
#include "mail/pipeline.h"

/* What there is to do. Everything lives until the stage is done or cancelled. */
struct stage_task {
	uv_loop_t                  *loop;
	const struct config_filter *filters; /* n neighbours */
	size_t                      n;
	const struct envelope      *envelope;
	const char *const          *caller;  /* filters.h */
	int                         fd;      /* the message; stays the caller's */
	uint64_t                    size_bytes;
	uint64_t                    output_max;
	const char                 *scratch; /* folder for large output, or NULL */
};

/* What came of it. The views live for the call that reports it. */
struct stage_report {
	/*
	 * One for each filter. COLOUR_NONE: it has none, since it was stopped when
	 * one before it had decided.
	 */
	const struct stage_result *results;
	/*
	 * The rewritten message, sealed, the receiver's from now on. -1: the message is
	 * as it was.
	 */
	int                        output;
	uint64_t                   output_size;
};

typedef void stage_done(const struct stage_report *report, void *context);

/* How each kind begins its own struct. */
struct stage {
	void (*cancel)(struct stage *stage);
};

/*
 * Start. done comes exactly once, never from inside this call; the stage is gone
 * then. NULL: no memory.
 */
struct stage *stage_start(
    const struct stage_task *task, stage_done *done, void *context);

/* Stop everything at once; done does not come. NULL is allowed. */
void stage_cancel(struct stage *stage);

/* The kinds, for stage_start. */
struct stage *stage_program_start(
    const struct stage_task *task, stage_done *done, void *context);
struct stage *stage_spamd_start(
    const struct stage_task *task, stage_done *done, void *context);

#endif
