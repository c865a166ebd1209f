#include "hiq/judge.h"

#include <stdlib.h>

#include "hiq/reply.h"
#include "hiq/trial.h"

enum phase { WAITING, RUNNING, SUBMITTED };

struct judge {
	struct judge         *next; /* the owner's */
	struct judge_owner    owner;
	enum phase            phase;
	struct submit_client *queue;
	struct submit_job    *job;
	const struct envelope *envelope;
	struct bytes          contact;    /* the filters', which the trial holds */
	struct trial         *trial;
	struct submission    *submission;
	bool                  is_withdrawn;
	uv_timer_t            deadline;   /* what the filters left of it, for the queue */
};

struct judge **
judge_link(struct judge *j)
{
	return &j->next;
}

bool
judge_is_waiting(const struct judge *j)
{
	return j->phase == WAITING;
}

/* --- the end --- */

static void
on_deadline_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
answer(struct judge *j, const struct submit_result *result, const char *failure)
{
	trial_log(j->trial, result->code, failure);
	submit_answer(j->job, result);
	j->owner.answered(j, j->owner.context);
	trial_free(j->trial);
	uv_close((uv_handle_t *)&j->deadline, on_deadline_closed);
}

static void
answer_error(struct judge *j, const char *failure)
{
	struct submit_result result;
	struct buf           text;

	buf_init(&text, REPLY_MAX);
	result = reply_error(&text, &j->envelope->id);
	answer(j, &result, failure);
	buf_finish(&text);
}

static void
answer_red(struct judge *j, const struct verdict *verdict)
{
	struct submit_result result;
	struct buf           text;

	buf_init(&text, REPLY_MAX);
	result = reply_red(&text, verdict, &j->envelope->id, j->contact);
	answer(j, &result, NULL);
	buf_finish(&text);
}

/* --- into the queue --- */

static void
on_submitted(const struct submit_result *result, void *context)
{
	struct judge *j = context;

	j->submission = NULL;
	answer(j, result, NULL);
}

/* Take it back from the queue, which otherwise says what happened to it. */
static void
withdraw(struct judge *j, const char *failure)
{
	if (j->is_withdrawn)
		return;
	j->is_withdrawn = true;
	if (submit_cancel(j->submission))
		answer_error(j, failure);
}

static void
on_deadline(uv_timer_t *timer)
{
	withdraw(timer->data, "the queue was not there in time");
}

static void
submit(struct judge *j, const struct trial_result *result)
{
	struct envelope envelope = *j->envelope;

	envelope.verdict = *result->verdict;
	envelope.size_bytes = result->size_bytes;
	j->submission =
	    submit_send(j->queue, &envelope, result->fd, on_submitted, j);
	if (j->submission == NULL)
		answer_error(j, "the queue takes no more");
	else
		uv_timer_start(
		    &j->deadline, on_deadline, trial_left_ms(j->trial), 0);
}

/* --- the filters --- */

static void
on_tried(const struct trial_result *result, void *context)
{
	struct judge *j = context;

	j->owner.decided(j, j->owner.context);
	j->phase = SUBMITTED;
	if (result->failure) {
		answer_error(j, result->failure);
		return;
	}
	switch (result->verdict->colour) {
	case COLOUR_NONE:
	case COLOUR_GREEN:
	case COLOUR_YELLOW:
		submit(j, result);
		return;
	case COLOUR_RED:
		answer_red(j, result->verdict);
		return;
	case COLOUR_ERROR:
		answer_error(j, NULL);
		return;
	}
}

void
judge_run(struct judge *j)
{
	j->phase = RUNNING;
	trial_run(j->trial);
}

void
judge_cancel(struct judge *j)
{
	static const char gone[] = "client gone";

	if (j->phase == SUBMITTED) {
		withdraw(j, gone);
		return;
	}
	trial_cancel(j->trial);
	j->owner.decided(j, j->owner.context);
	answer_error(j, gone);
}

struct judge *
judge_new(uv_loop_t *loop, struct submit_client *queue, struct filters *filters,
    struct submit_job *job, const struct judge_owner *owner)
{
	struct judge *j = calloc(1, sizeof *j);

	if (j == NULL)
		return NULL;
	j->owner = *owner;
	j->queue = queue;
	j->job = job;
	j->envelope = submit_job_envelope(job);
	j->contact = filters->contact;
	j->trial = trial_new(
	    loop, filters, j->envelope, submit_job_fd(job), on_tried, j);
	if (j->trial == NULL) {
		free(j);
		return NULL;
	}
	uv_timer_init(loop, &j->deadline);
	j->deadline.data = j;
	return j;
}
