#include "hiq/desk.h"

#include <stdlib.h>

#include "hiq/judge.h"
#include "hiq/reply.h"

struct desk {
	uv_loop_t            *loop;
	struct submit_client *queue;
	struct filters       *filters;
	struct judge         *first, **last; /* those that wait */
	size_t                waiting, running;
	size_t                here;          /* not answered yet */
	uint64_t              judged;
	bool                  is_starting;   /* in run_those_that_may */
	bool                  is_stopping;
	void                (*idle)(void);
};

struct desk *
desk_new(uv_loop_t *loop, struct submit_client *queue)
{
	struct desk *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	d->loop = loop;
	d->queue = queue;
	d->last = &d->first;
	return d;
}

void
desk_free(struct desk *d)
{
	if (d)
		filters_release(d->filters);
	free(d);
}

static void
put_last(struct desk *d, struct judge *j)
{
	*d->last = j;
	d->last = judge_link(j);
	d->waiting++;
}

static void
take_out(struct desk *d, struct judge *j)
{
	struct judge **link = &d->first;

	while (*link != j)
		link = judge_link(*link);
	*link = *judge_link(j);
	*judge_link(j) = NULL;
	if (d->last == judge_link(j))
		d->last = link;
	d->waiting--;
}

/*
 * A message may be decided within the call, or make room for the next one; the
 * outermost call then goes on.
 */
static void
run_those_that_may(struct desk *d)
{
	if (d->is_starting)
		return;
	d->is_starting = true;
	while (d->first && d->running < d->filters->concurrency) {
		struct judge *j = d->first;

		take_out(d, j);
		d->running++;
		judge_run(j);
	}
	d->is_starting = false;
}

static void
decided(struct judge *j, void *context)
{
	struct desk *d = context;

	if (judge_is_waiting(j)) {
		take_out(d, j);
		return;
	}
	d->running--;
	d->judged++;
	run_those_that_may(d);
}

static void
answered(struct judge *j, void *context)
{
	struct desk *d = context;

	(void)j;
	d->here--;
	if (d->is_stopping && d->here == 0)
		d->idle();
}

static void
refuse(struct submit_job *job)
{
	const struct id     *id = &submit_job_envelope(job)->id;
	struct submit_result result;
	struct buf           text;

	buf_init(&text, REPLY_MAX);
	result = reply_error(&text, id);
	submit_answer(job, &result);
	buf_finish(&text);
}

void
desk_received(struct submit_job *job, void *context)
{
	struct desk             *d = context;
	const struct judge_owner owner = { decided, answered, d };
	struct judge            *j = NULL;

	if (d->filters && !d->is_stopping)
		j = judge_new(d->loop, d->queue, d->filters, job, &owner);
	if (j == NULL) {
		refuse(job);
		return;
	}
	submit_job_set_context(job, j);
	d->here++;
	put_last(d, j);
	run_those_that_may(d);
}

void
desk_cancelled(struct submit_job *job, void *context)
{
	(void)context;
	judge_cancel(submit_job_context(job));
}

void
desk_use(struct desk *d, struct filters *filters)
{
	filters_release(d->filters);
	d->filters = filters_hold(filters);
	run_those_that_may(d);
}

void
desk_stop(struct desk *d, void (*idle)(void))
{
	if (d->is_stopping)
		return;
	d->is_stopping = true;
	d->idle = idle;
	if (d->here == 0)
		idle();
}

void
desk_stats(const struct desk *d, struct buf *b)
{
	buf_addf(b, "judging %zu, waiting %zu, judged %llu", d->running,
	    d->waiting, (unsigned long long)d->judged);
}
