#include "service/asking.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/clock.h"

enum { TICK_MS = 1000 };

void
asking_init(struct asking *a, uv_loop_t *loop, const struct asking_kind *kind)
{
	a->loop = loop;
	a->kind = kind;
	a->peer = NULL;
	question_ring_init(&a->ring, kind->fail);
	uv_timer_init(loop, &a->timer);
	a->timer.data = a;
}

static void
free_client(uv_handle_t *timer)
{
	free(timer->data);
}

void
asking_free(struct asking *a)
{
	if (a == NULL)
		return;
	peer_close(a->peer);
	for (struct question *q; (q = question_first(&a->ring)) != NULL;)
		asking_forget(q);
	uv_close((uv_handle_t *)&a->timer, free_client);
}

/* --- the connection --- */

/* What was sent will not be answered any more. What was not waits for the next one. */
static void
drop_connection(struct asking *a)
{
	peer_close(a->peer);
	a->peer = NULL;
	question_fail_all(&a->ring, true);
}

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	(void)peer;
	(void)why;
	drop_connection(context);
}

static void
send_kept(struct asking *a, struct question *question)
{
	if (a->peer && peer_send(a->peer, question->frame, NULL, 0))
		question->is_sent = true;
}

void
asking_connect(struct asking *a, int socket)
{
	if (a->peer)
		drop_connection(a);
	a->peer = peer_open(a->loop, socket, a->kind->permits,
	    a->kind->n_permits, on_gone, a);
	if (a->peer == NULL)
		close(socket);
	if (!a->kind->waits)
		return;
	for (struct question *q = question_first(&a->ring); q;
	     q = question_next(&a->ring, q))
		if (!q->is_sent)
			send_kept(a, q);
}

/* --- time --- */

static void
on_tick(uv_timer_t *timer)
{
	struct asking *a = timer->data;

	if (!a->kind->waits)
		question_fail_all(&a->ring, false);
	/* What an answer asks anew is younger than now. */
	question_fail_overdue(&a->ring, a->kind->timeout_ms, clock_monotonic_ms());
	if (question_first(&a->ring) == NULL)
		uv_timer_stop(&a->timer);
}

/* at_once: something is to fail, but not from inside the call that asks. */
static void
watch_clock(struct asking *a, bool at_once)
{
	if (at_once || !uv_is_active((uv_handle_t *)&a->timer))
		uv_timer_start(&a->timer, on_tick, at_once ? 0 : TICK_MS, TICK_MS);
}

/* --- questions --- */

void *
asking_ask(struct asking *a, size_t size, uint64_t q, struct buf *frame)
{
	struct question *question = NULL;

	if (!frame->failed)
		question = calloc(1, size + frame->len);
	if (question) {
		char *copy = (char *)question + size;

		memcpy(copy, frame->p, frame->len);
		question->q = q;
		question->asked_ms = clock_monotonic_ms();
		question->frame = (struct bytes){ copy, frame->len };
		question_append(&a->ring, question);
		send_kept(a, question);
		watch_clock(a, false);
	}
	buf_finish(frame);
	return question;
}

void
asking_append(
    struct asking *a, struct question *question, uint64_t q, bool is_sent)
{
	question->q = q;
	question->asked_ms = clock_monotonic_ms();
	question_append(&a->ring, question);
	question->is_sent = is_sent;
	watch_clock(a, !is_sent);
}

struct question *
asking_answered(struct asking *a, uint64_t q)
{
	struct question *question = question_find(&a->ring, q);

	if (question)
		question_take_out(question);
	return question;
}

void
asking_forget(struct question *question)
{
	if (question == NULL)
		return;
	question_take_out(question);
	free(question);
}
