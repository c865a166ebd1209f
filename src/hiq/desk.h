/*
 * All messages that are here. So many as the configuration says are judged at once,
 * the others wait in the order in which they came.
 */
#ifndef AMPEL_HIQ_DESK_H
#define AMPEL_HIQ_DESK_H

#include <uv.h>

#include "base/buf.h"
#include "hiq/filters.h"
#include "service/submit.h"

struct desk;

struct desk *desk_new(uv_loop_t *loop, struct submit_client *queue);
/* Only when it is empty. NULL is allowed. */
void         desk_free(struct desk *d);

/* Messages that come from now on are judged by these. */
void desk_use(struct desk *d, struct filters *filters);

/*
 * Take no more; what comes is answered 451. idle is called once, when the last
 * message has been answered: at once when there is none.
 */
void desk_stop(struct desk *d, void (*idle)(void));

/* For the submission server; context is the desk. */
void desk_received(struct submit_job *job, void *context);
void desk_cancelled(struct submit_job *job, void *context);

/* "judging 3, waiting 0, judged 1207" */
void desk_stats(const struct desk *d, struct buf *b);

#endif
