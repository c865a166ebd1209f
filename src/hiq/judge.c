#include "hiq/judge.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hiq/reply.h"
#include "hiq/stage.h"
#include "io/clock.h"
#include "io/memfile.h"
#include "mail/pipeline.h"
#include "service/event.h"

enum { ARENA_MAX = 1024 * 1024, MARKS_MAX = 512 * 1024, SAID_MAX = 2048 };

enum phase { WAITING, RUNNING, SUBMITTED };

struct judge {
	struct judge         *next; /* the owner's */
	struct judge_owner    owner;
	enum phase            phase;
	uv_loop_t            *loop;
	struct submit_client *queue;
	struct filters       *filters;
	struct submit_job    *job;
	const struct envelope *envelope;
	struct arena          arena;
	struct pipeline      *pipeline;
	struct verdict        verdict;
	const char           *failure;    /* why there is no verdict; or NULL */

	int                   fd;         /* the message as the filters left it */
	bool                  owns_fd;
	uint64_t              size_bytes;

	struct stage         *stage;      /* that runs: filters first to first + n - 1 */
	size_t                first, n;
	uint64_t              stage_began_ms;
	uint64_t              began_ms;
	uint64_t              took_ms[PIPELINE_STAGES_MAX]; /* 0: did not run; else + 1 */

	struct submission    *submission;
	bool                  is_withdrawn;
	uv_timer_t            deadline;
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

/* "spamassassin=112 house=3": milliseconds of each filter that ran. */
static void
add_times(struct buf *b, const struct judge *j)
{
	for (size_t i = 0; i < j->filters->n; i++) {
		if (j->took_ms[i] == 0)
			continue;
		if (b->len > 0)
			buf_add_char(b, ' ');
		buf_add_bytes(b, j->filters->list[i].name);
		buf_add_char(b, '=');
		buf_add_number(b, j->took_ms[i] - 1);
	}
}

static void
log_message(struct event *e, const struct judge *j)
{
	const struct envelope *envelope = j->envelope;

	event_text(e, "listener", envelope->listener);
	if (envelope->peer_address.n > 0)
		event_text(e, "peer", envelope->peer_address);
	event_path(e, "from", envelope->reverse_path);
	if (envelope->n_recipients > 0)
		event_path(e, "rcpt", envelope->recipients[0].address);
	event_number(e, "rcpts", envelope->n_recipients);
	event_number(e, "size", j->size_bytes);
}

/* The one final line: which stage decided, what the others said. */
static void
log_verdict(const struct judge *j, const struct submit_result *result)
{
	const struct verdict *v = &j->verdict;
	struct event          e = event_begin("verdict", &j->envelope->id);
	struct buf            times;

	buf_init(&times, SAID_MAX);
	add_times(&times, j);
	log_message(&e, j);
	event_text(&e, "verdict", bytes_of(colour_name(v->colour)));
	if (v->has_score)
		event_milli(&e, "score", v->score_milli);
	if (v->stage.n > 0)
		event_text(&e, "stage", v->stage);
	event_text(&e, "filters", v->summary);
	event_text(&e, "took", buf_bytes(&times));
	event_number(&e, "code", result->code);
	event_number(&e, "ms", clock_monotonic_ms() - j->began_ms);
	if (j->failure)
		event_text(&e, "why", bytes_of(j->failure));
	else if (v->reason.n > 0)
		event_text(&e, "why", v->reason);
	event_end(&e);
	buf_finish(&times);
}

static void
on_deadline_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
free_judge(struct judge *j)
{
	if (j->owns_fd)
		close(j->fd);
	arena_finish(&j->arena);
	filters_release(j->filters);
	uv_close((uv_handle_t *)&j->deadline, on_deadline_closed);
}

static void
answer(struct judge *j, const struct submit_result *result)
{
	log_verdict(j, result);
	submit_answer(j->job, result);
	j->owner.answered(j, j->owner.context);
	free_judge(j);
}

static void
answer_error(struct judge *j, const char *failure)
{
	struct submit_result result;
	struct buf           text;

	j->failure = failure;
	buf_init(&text, REPLY_MAX);
	result = reply_error(&text, &j->envelope->id);
	answer(j, &result);
	buf_finish(&text);
}

static void
answer_red(struct judge *j)
{
	struct submit_result result;
	struct buf           text;

	buf_init(&text, REPLY_MAX);
	result = reply_red(
	    &text, &j->verdict, &j->envelope->id, j->filters->contact);
	answer(j, &result);
	buf_finish(&text);
}

/* --- into the queue --- */

/*
 * The message with its marks above it, sealed. Without marks it stays what it is.
 * False: no memory.
 */
static bool
add_marks(struct judge *j)
{
	struct buf marks;
	int        fd = -1;

	buf_init(&marks, MARKS_MAX);
	pipeline_add_marks(j->pipeline, &j->verdict, &marks);
	if (!marks.failed && marks.len > 0)
		fd = memfile_new_for("judged", j->filters->scratch,
		    j->size_bytes + marks.len);
	if (fd != -1 &&
	    (memfile_write(fd, buf_bytes(&marks)) == -1 ||
	        memfile_copy(j->fd, j->size_bytes, fd) == -1 ||
	        memfile_seal_if_memory(fd) == -1)) {
		close(fd);
		fd = -1;
	}
	if (fd != -1) {
		if (j->owns_fd)
			close(j->fd);
		j->fd = fd;
		j->owns_fd = true;
		j->size_bytes += marks.len;
	}
	buf_finish(&marks);
	return fd != -1 || j->verdict.colour == COLOUR_NONE;
}

static void
on_submitted(const struct submit_result *result, void *context)
{
	struct judge *j = context;

	j->submission = NULL;
	answer(j, result);
}

static void
submit(struct judge *j)
{
	struct envelope envelope = *j->envelope;

	if (!add_marks(j)) {
		answer_error(j, "no memory for the marks");
		return;
	}
	envelope.verdict = j->verdict;
	envelope.size_bytes = j->size_bytes;
	j->submission = submit_send(j->queue, &envelope, j->fd, on_submitted, j);
	if (j->submission == NULL)
		answer_error(j, "the queue takes no more");
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

/* --- the filters --- */

/* The pipeline says no more filters. */
static void
decide(struct judge *j)
{
	pipeline_verdict(j->pipeline, &j->verdict);
	j->owner.decided(j, j->owner.context);
	j->phase = SUBMITTED;
	switch (j->verdict.colour) {
	case COLOUR_NONE:
	case COLOUR_GREEN:
	case COLOUR_YELLOW:
		submit(j);
		return;
	case COLOUR_RED:
		answer_red(j);
		return;
	case COLOUR_ERROR:
		answer_error(j, NULL);
		return;
	}
}

static void advance(struct judge *j);

static void
take_output(struct judge *j, const struct stage_report *report)
{
	if (report->output == -1)
		return;
	if (j->owns_fd)
		close(j->fd);
	j->fd = report->output;
	j->owns_fd = true;
	j->size_bytes = report->output_size;
}

static void
on_stage_done(const struct stage_report *report, void *context)
{
	struct judge *j = context;
	uint64_t      ms = clock_monotonic_ms() - j->stage_began_ms;

	j->stage = NULL;
	for (size_t i = 0; i < j->n; i++) {
		if (report->results[i].colour == COLOUR_NONE)
			continue;
		pipeline_result(j->pipeline, j->first + i, &report->results[i]);
		j->took_ms[j->first + i] = ms + 1;
	}
	take_output(j, report);
	advance(j);
}

/* Run the next stage, or decide. */
static void
advance(struct judge *j)
{
	static const struct stage_result no_memory = {
		.colour = COLOUR_ERROR,
		.reason = BYTES_INIT("out of memory"),
	};

	while (pipeline_next(j->pipeline, &j->first, &j->n)) {
		struct stage_task task = { j->loop, &j->filters->list[j->first],
			j->n, j->envelope, j->fd, j->size_bytes,
			j->filters->message_max, j->filters->scratch };

		j->stage_began_ms = clock_monotonic_ms();
		j->stage = stage_start(&task, on_stage_done, j);
		if (j->stage)
			return;
		for (size_t i = 0; i < j->n; i++)
			pipeline_result(j->pipeline, j->first + i, &no_memory);
	}
	decide(j);
}

void
judge_run(struct judge *j)
{
	j->phase = RUNNING;
	advance(j);
}

static void
on_deadline(uv_timer_t *timer)
{
	struct judge *j = timer->data;

	if (j->phase == SUBMITTED) {
		withdraw(j, "the queue was not there in time");
		return;
	}
	stage_cancel(j->stage);
	j->stage = NULL;
	pipeline_expire(j->pipeline);
	decide(j);
}

void
judge_cancel(struct judge *j)
{
	static const char gone[] = "client gone";

	if (j->phase == SUBMITTED) {
		withdraw(j, gone);
		return;
	}
	stage_cancel(j->stage);
	j->stage = NULL;
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
	j->loop = loop;
	j->queue = queue;
	j->job = job;
	j->envelope = submit_job_envelope(job);
	j->fd = submit_job_fd(job);
	arena_init(&j->arena, ARENA_MAX);
	if (memfile_check(j->fd, filters->message_max, &j->size_bytes) !=
	    MEMFILE_BAD)
		j->pipeline = pipeline_new(&j->arena, filters->list, filters->n,
		    j->envelope, j->size_bytes);
	if (j->pipeline == NULL) {
		arena_finish(&j->arena);
		free(j);
		return NULL;
	}
	j->filters = filters_hold(filters);
	j->began_ms = clock_monotonic_ms();
	uv_timer_init(loop, &j->deadline);
	j->deadline.data = j;
	uv_timer_start(&j->deadline, on_deadline, filters->deadline_ms, 0);
	return j;
}
