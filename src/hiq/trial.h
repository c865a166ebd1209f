/*
 * One message before the filters: its stages run, the deadline counts, and in the end there is
 * a verdict and the message as the filters left it, with its marks on top. Who brought
 * it and what becomes of it is the owner's affair.
 */
#ifndef AMPEL_HIQ_TRIAL_H
#define AMPEL_HIQ_TRIAL_H

#include <uv.h>

#include "hiq/filters.h"
#include "mail/envelope.h"

struct trial;

struct trial_result {
	const struct verdict *verdict;
	/* It passed, and yet cannot be passed on: why. Otherwise NULL. */
	const char           *failure;
	int                   fd;         /* the message; the trial's, until it is freed */
	uint64_t              size_bytes;
};

/* Views live until the trial is freed, which may be within this call. */
typedef void trial_done(const struct trial_result *result, void *context);

/*
 * Holds filters; envelope and fd are the caller's and outlive it. The clock starts, and
 * done may come, with an error, before trial_run. NULL: no memory, or fd is no file of
 * a size that the filters allow.
 */
struct trial *trial_new(uv_loop_t *loop, struct filters *filters,
    const struct envelope *envelope, int fd, trial_done *done, void *context);

/* Run the filters. done comes once, maybe within this call. */
void trial_run(struct trial *t);

/* Stop the filters at once; done does not come any more. */
void trial_cancel(struct trial *t);

/* What is left of the deadline, 0 when it has passed. */
uint64_t trial_left_ms(const struct trial *t);

/*
 * The final line of the log: which stage decided, what the others said. code: of the
 * reply; 0: somebody else's. why: NULL, or what went wrong beside the filters.
 */
void trial_log(const struct trial *t, unsigned code, const char *why);

void trial_free(struct trial *t);

#endif
