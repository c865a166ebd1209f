/*
 * One message on its way through the pipeline and into the queue:
 *
 *     waiting -> running -> submitted -> answered
 *
 * The deadline counts from the beginning. Whatever goes wrong is answered 451; a
 * message whose client has gone is not queued.
 */
#ifndef AMPEL_HIQ_JUDGE_H
#define AMPEL_HIQ_JUDGE_H

#include <uv.h>

#include "hiq/filters.h"
#include "service/submit.h"

struct judge;

struct judge_owner {
	/*
	 * The filters are done with it, for good or ill. Comes once; judge_is_waiting
	 * still says whether it had run.
	 */
	void (*decided)(struct judge *judge, void *context);
	/* The job was answered; the judge is gone after this call. Comes once, last. */
	void (*answered)(struct judge *judge, void *context);
	void  *context;
};

/*
 * Holds filters; owner is copied. The clock starts. NULL: no memory, or the message
 * is no good; the job is not answered then.
 */
struct judge *judge_new(uv_loop_t *loop, struct submit_client *queue,
    struct filters *filters, struct submit_job *job,
    const struct judge_owner *owner);

/* It has waited enough: run the filters. May call the owner. */
void judge_run(struct judge *j);
bool judge_is_waiting(const struct judge *j);

/* The client is gone. May call the owner. */
void judge_cancel(struct judge *j);

/* For the owner's list. */
struct judge **judge_link(struct judge *j);

#endif
