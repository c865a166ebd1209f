/*
 * SpamAssassin's spamd as a filter. The addresses are tried in order, those that
 * were dead lately last; a score decides by the filter's own thresholds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "hiq/dead.h"
#include "hiq/spamd_connection.h"
#include "hiq/stage.h"
#include "io/clock.h"

enum { ADDRESSES_MAX = 32 };

struct spamd_stage {
	struct stage             stage;
	uv_loop_t               *loop;
	const struct config_filter *filter;
	stage_done              *done;
	void                    *context;
	uv_timer_t               timer;   /* the filter's timeout; then, the report */
	struct spamd_body        body;
	uint64_t                 wire_size;
	const struct endpoint   *order[ADDRESSES_MAX];
	size_t                   n, next; /* next: the first that was not tried */
	bool                     has_died; /* one took the message and said nothing */
	struct spamd_connection *connection;
};

static void
on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
close_stage(struct spamd_stage *s)
{
	spamd_disconnect(s->connection);
	spamd_body_finish(&s->body);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

static void
cancel(struct stage *stage)
{
	close_stage((struct spamd_stage *)stage);
}

static void
finish(struct spamd_stage *s, const struct stage_result *result)
{
	struct stage_report report = { .results = result, .output = -1 };

	s->done(&report, s->context);
	close_stage(s);
}

static void
fail(struct spamd_stage *s, struct bytes reason)
{
	struct stage_result result = { .colour = COLOUR_ERROR, .reason = reason };

	finish(s, &result);
}

static void
succeed(struct spamd_stage *s, const struct spamd_reply *reply)
{
	const struct config_filter *filter = s->filter;
	struct stage_result         result = {
		        .colour = verdict_colour(reply->score_milli,
		            filter->yellow_milli, filter->red_milli),
		        .has_score = true,
		        .score_milli = reply->score_milli,
		        .required_milli = filter->yellow_milli,
		        .tests = reply->tests,
	};

	finish(s, &result);
}

/* --- the addresses --- */

static void on_conversed(enum spamd_end end, enum spamd_result result,
    const struct spamd_reply *reply, void *context);

/* Whether a conversation began; else no address is left. */
static bool
try_next(struct spamd_stage *s)
{
	s->connection = NULL;
	while (s->connection == NULL && s->next < s->n) {
		spamd_body_rewind(&s->body);
		s->connection = spamd_connect(s->loop, s->order[s->next++],
		    &s->body, s->wire_size, on_conversed, s);
	}
	return s->connection != NULL;
}

static struct bytes
why_nobody_answered(const struct spamd_stage *s)
{
	return s->has_died ? BYTES("it closed the connection without an answer")
	                   : BYTES("no address can be reached");
}

/*
 * One that dies over the message may do so because of it: a second one is asked, but
 * no third, or one message could take them all down.
 */
static void
on_conversed(enum spamd_end end, enum spamd_result result,
    const struct spamd_reply *reply, void *context)
{
	struct spamd_stage *s = context;
	struct bytes        address = s->order[s->next - 1]->text;
	bool                may_go_on = end == SPAMD_UNREACHABLE ||
	    (end == SPAMD_DIED && !s->has_died);

	s->connection = NULL; /* it ends by itself */
	if (end == SPAMD_SAID) {
		dead_forget(address);
		if (result == SPAMD_SCORE)
			succeed(s, reply);
		else
			fail(s, reply->error);
		return;
	}
	if (end == SPAMD_DIED)
		s->has_died = true;
	else
		dead_note(address, clock_monotonic_ms());
	if (!may_go_on || !try_next(s))
		fail(s, why_nobody_answered(s));
}

static void
add_addresses(struct spamd_stage *s, bool dead_ones, uint64_t now_ms)
{
	const struct endpoint_list *list = &s->filter->spamd;

	for (size_t i = 0; i < list->n && s->n < ADDRESSES_MAX; i++)
		if (dead_is(list->v[i].text, now_ms) == dead_ones)
			s->order[s->n++] = &list->v[i];
}

/* --- time --- */

static void
on_timeout(uv_timer_t *timer)
{
	struct spamd_stage *s = timer->data;
	char                reason[64];

	snprintf(reason, sizeof reason, "no answer in %llu s",
	    (unsigned long long)(s->filter->timeout_ms / 1000));
	fail(s, bytes_of(reason));
}

/* An error that was known at once is reported from the loop too. */
static void
on_unreachable(uv_timer_t *timer)
{
	struct spamd_stage *s = timer->data;

	fail(s, why_nobody_answered(s));
}

static void
on_unreadable(uv_timer_t *timer)
{
	fail(timer->data, BYTES("the message could not be read"));
}

struct stage *
stage_spamd_start(
    const struct stage_task *task, stage_done *done, void *context)
{
	struct spamd_stage *s = calloc(1, sizeof *s);
	uint64_t            now_ms = clock_monotonic_ms();

	if (s == NULL)
		return NULL;
	s->stage.cancel = cancel;
	s->loop = task->loop;
	s->filter = &task->filters[0];
	s->done = done;
	s->context = context;
	uv_timer_init(task->loop, &s->timer);
	s->timer.data = s;
	spamd_body_init(&s->body, task->fd, task->size_bytes,
	    task->envelope->reverse_path);
	add_addresses(s, false, now_ms);
	add_addresses(s, true, now_ms);
	if (!spamd_body_size(&s->body, &s->wire_size))
		uv_timer_start(&s->timer, on_unreadable, 0, 0);
	else if (!try_next(s))
		uv_timer_start(&s->timer, on_unreachable, 0, 0);
	else
		uv_timer_start(&s->timer, on_timeout, s->filter->timeout_ms, 0);
	return &s->stage;
}
