#include "hiq/trial.h"

#include <stdlib.h>
#include <unistd.h>

#include "hiq/stage.h"
#include "io/clock.h"
#include "io/memfile.h"
#include "mail/pipeline.h"
#include "service/event.h"

enum { ARENA_MAX = 1024 * 1024, MARKS_MAX = 512 * 1024, SAID_MAX = 2048 };

struct trial {
	uv_loop_t             *loop;
	struct filters        *filters;
	const struct envelope *envelope;
	trial_done            *done;
	void                  *context;
	struct arena           arena;
	struct pipeline       *pipeline;
	struct verdict         verdict;

	int                    fd;         /* the message as the filters left it */
	bool                   owns_fd;
	uint64_t               size_bytes;

	struct stage          *stage;      /* that runs: filters first to first + n - 1 */
	size_t                 first, n;
	uint64_t               stage_began_ms;
	uint64_t               began_ms;
	uint64_t               took_ms[PIPELINE_STAGES_MAX]; /* 0: did not run; else + 1 */
	uv_timer_t             deadline;
};

/* --- the log --- */

/* "spamassassin=112 house=3": milliseconds of each filter that ran. */
static void
add_times(struct buf *b, const struct trial *t)
{
	for (size_t i = 0; i < t->filters->n; i++) {
		if (t->took_ms[i] == 0)
			continue;
		if (b->len > 0)
			buf_add_char(b, ' ');
		buf_add_bytes(b, t->filters->list[i].name);
		buf_add_char(b, '=');
		buf_add_number(b, t->took_ms[i] - 1);
	}
}

static void
log_message(struct event *e, const struct trial *t)
{
	const struct envelope *envelope = t->envelope;

	event_text(e, "listener", envelope->listener);
	if (envelope->peer_address.n > 0)
		event_text(e, "peer", envelope->peer_address);
	event_path(e, "from", envelope->reverse_path);
	if (envelope->n_recipients > 0)
		event_path(e, "rcpt", envelope->recipients[0].address);
	event_number(e, "rcpts", envelope->n_recipients);
	event_number(e, "size", t->size_bytes);
}

void
trial_log(const struct trial *t, unsigned code, const char *why)
{
	const struct verdict *v = &t->verdict;
	struct event          e = event_begin("verdict", &t->envelope->id);
	struct buf            times;

	buf_init(&times, SAID_MAX);
	add_times(&times, t);
	log_message(&e, t);
	event_text(&e, "verdict", bytes_of(colour_name(v->colour)));
	if (v->has_score)
		event_milli(&e, "score", v->score_milli);
	if (v->stage.n > 0)
		event_text(&e, "stage", v->stage);
	event_text(&e, "filters", v->summary);
	event_text(&e, "took", buf_bytes(&times));
	if (code > 0)
		event_number(&e, "code", code);
	event_number(&e, "ms", clock_monotonic_ms() - t->began_ms);
	if (why)
		event_text(&e, "why", bytes_of(why));
	else if (v->reason.n > 0)
		event_text(&e, "why", v->reason);
	event_end(&e);
	buf_finish(&times);
}

/* --- the end --- */

/*
 * The message with its marks above it, sealed. Without marks it stays what it is.
 * False: no memory.
 */
static bool
add_marks(struct trial *t)
{
	struct buf marks;
	int        fd = -1;

	buf_init(&marks, MARKS_MAX);
	pipeline_add_marks(t->pipeline, &t->verdict, &marks);
	if (!marks.failed && marks.len > 0)
		fd = memfile_new_for("judged", t->filters->scratch,
		    t->size_bytes + marks.len);
	if (fd != -1 &&
	    (memfile_write(fd, buf_bytes(&marks)) == -1 ||
	        memfile_copy(t->fd, t->size_bytes, fd) == -1 ||
	        memfile_seal_if_memory(fd) == -1)) {
		close(fd);
		fd = -1;
	}
	if (fd != -1) {
		if (t->owns_fd)
			close(t->fd);
		t->fd = fd;
		t->owns_fd = true;
		t->size_bytes += marks.len;
	}
	buf_finish(&marks);
	return fd != -1 || t->verdict.colour == COLOUR_NONE;
}

static bool
has_passed(const struct verdict *v)
{
	return v->colour != COLOUR_RED && v->colour != COLOUR_ERROR;
}

/* The pipeline says no more filters. */
static void
decide(struct trial *t)
{
	struct trial_result result = { .verdict = &t->verdict };

	uv_timer_stop(&t->deadline);
	pipeline_verdict(t->pipeline, &t->verdict);
	if (has_passed(&t->verdict) && !add_marks(t))
		result.failure = "no memory for the marks";
	result.fd = t->fd;
	result.size_bytes = t->size_bytes;
	t->done(&result, t->context);
}

static void
on_deadline(uv_timer_t *timer)
{
	struct trial *t = timer->data;

	stage_cancel(t->stage);
	t->stage = NULL;
	pipeline_expire(t->pipeline);
	decide(t);
}

/* --- the filters --- */

static void advance(struct trial *t);

static void
take_output(struct trial *t, const struct stage_report *report)
{
	if (report->output == -1)
		return;
	if (t->owns_fd)
		close(t->fd);
	t->fd = report->output;
	t->owns_fd = true;
	t->size_bytes = report->output_size;
}

static void
on_stage_done(const struct stage_report *report, void *context)
{
	struct trial *t = context;
	uint64_t      ms = clock_monotonic_ms() - t->stage_began_ms;

	t->stage = NULL;
	for (size_t i = 0; i < t->n; i++) {
		if (report->results[i].colour == COLOUR_NONE)
			continue;
		pipeline_result(t->pipeline, t->first + i, &report->results[i]);
		t->took_ms[t->first + i] = ms + 1;
	}
	take_output(t, report);
	advance(t);
}

/* Run the next stage, or decide. */
static void
advance(struct trial *t)
{
	static const struct stage_result no_memory = {
		.colour = COLOUR_ERROR,
		.reason = BYTES_INIT("out of memory"),
	};

	while (pipeline_next(t->pipeline, &t->first, &t->n)) {
		struct stage_task task = { t->loop, &t->filters->list[t->first],
			t->n, t->envelope, t->filters->caller, t->fd, t->size_bytes,
			t->filters->message_max, t->filters->scratch };

		t->stage_began_ms = clock_monotonic_ms();
		t->stage = stage_start(&task, on_stage_done, t);
		if (t->stage)
			return;
		for (size_t i = 0; i < t->n; i++)
			pipeline_result(t->pipeline, t->first + i, &no_memory);
	}
	decide(t);
}

void
trial_run(struct trial *t)
{
	advance(t);
}

void
trial_cancel(struct trial *t)
{
	uv_timer_stop(&t->deadline);
	stage_cancel(t->stage);
	t->stage = NULL;
}

uint64_t
trial_left_ms(const struct trial *t)
{
	uint64_t age_ms = clock_monotonic_ms() - t->began_ms;

	return age_ms < t->filters->deadline_ms ?
	    t->filters->deadline_ms - age_ms : 0;
}

struct trial *
trial_new(uv_loop_t *loop, struct filters *filters,
    const struct envelope *envelope, int fd, trial_done *done, void *context)
{
	struct trial *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->loop = loop;
	t->envelope = envelope;
	t->fd = fd;
	t->done = done;
	t->context = context;
	arena_init(&t->arena, ARENA_MAX);
	if (memfile_check(fd, filters->message_max, &t->size_bytes) != MEMFILE_BAD)
		t->pipeline = pipeline_new(&t->arena, filters->list, filters->n,
		    envelope, t->size_bytes);
	if (t->pipeline == NULL) {
		arena_finish(&t->arena);
		free(t);
		return NULL;
	}
	t->filters = filters_hold(filters);
	t->began_ms = clock_monotonic_ms();
	uv_timer_init(loop, &t->deadline);
	t->deadline.data = t;
	uv_timer_start(&t->deadline, on_deadline, filters->deadline_ms, 0);
	return t;
}

static void
on_deadline_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
trial_free(struct trial *t)
{
	trial_cancel(t);
	if (t->owns_fd)
		close(t->fd);
	arena_finish(&t->arena);
	filters_release(t->filters);
	uv_close((uv_handle_t *)&t->deadline, on_deadline_closed);
}
