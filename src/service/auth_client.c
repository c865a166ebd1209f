#include "service/auth_client.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/clock.h"
#include "io/peer.h"
#include "service/question.h"

enum {
	TICK_MS = 1000,
	FRAME_BESIDE = 64, /* bytes of a frame that are not in its texts; more than there are */
};

struct auth_question {
	struct question question; /* first: a question is one of these */
	auth_answer    *answer;
	void           *context;
};

struct auth_client {
	uv_loop_t           *loop;
	struct peer         *peer;
	struct question_ring ring;
	uv_timer_t           timer;
};

static void
fail(struct question *question)
{
	struct auth_question *q = (struct auth_question *)question;

	q->answer(PASSWORD_TRY_LATER, BYTES(""), q->context);
	free(q);
}

/* A yes names somebody, anything else nobody: else the two programs disagree. */
static bool
is_answer(const struct msg_password *m)
{
	return m->answer <= PASSWORD_TRY_LATER &&
	    (m->answer == PASSWORD_YES) == (m->user.n > 0);
}

static bool
on_password(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct auth_client   *c = context;
	struct msg_password   m;
	struct auth_question *q;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_password_read(frame, &m) || !is_answer(&m))
		return false;
	q = (struct auth_question *)question_find(&c->ring, m.q);
	if (q == NULL) /* forgotten */
		return true;
	question_take_out(&q->question);
	q->answer((enum password_answer)m.answer, m.user, q->context);
	free(q);
	return true;
}

static const struct peer_permit permits[] = {
	{ MSG_PASSWORD, NULL, on_password, 0 },
};

/* Auth is gone: what was asked of it will not be answered any more. */
static void
drop_connection(struct auth_client *c)
{
	peer_close(c->peer);
	c->peer = NULL;
	question_fail_all(&c->ring, true);
}

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	(void)peer;
	(void)why;
	drop_connection(context);
}

/*
 * A question that could not be sent is not kept, since a password would lie about: its
 * answer only waits for the loop.
 */
static void
on_tick(uv_timer_t *timer)
{
	struct auth_client *c = timer->data;

	question_fail_all(&c->ring, false);
	question_fail_overdue(&c->ring, AUTH_TIMEOUT_MS, clock_monotonic_ms());
	if (question_first(&c->ring) == NULL)
		uv_timer_stop(&c->timer);
}

struct auth_client *
auth_client_new(uv_loop_t *loop)
{
	struct auth_client *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->loop = loop;
	question_ring_init(&c->ring, fail);
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	return c;
}

static void
free_client(uv_handle_t *timer)
{
	free(timer->data);
}

void
auth_client_free(struct auth_client *c)
{
	if (c == NULL)
		return;
	peer_close(c->peer);
	for (struct question *q; (q = question_first(&c->ring)) != NULL;)
		auth_forget((struct auth_question *)q);
	uv_close((uv_handle_t *)&c->timer, free_client);
}

void
auth_client_connect(struct auth_client *c, int socket)
{
	if (c->peer)
		drop_connection(c);
	c->peer = peer_open(c->loop, socket, permits,
	    sizeof permits / sizeof permits[0], on_gone, c);
	if (c->peer == NULL)
		close(socket);
}

/* False: it is too large, or there is no memory. */
static bool
send_question(struct auth_client *c, const struct msg_ask_password *m,
    int mailbox, bool *is_sent)
{
	struct buf frame;
	bool       good;

	buf_init(&frame, FRAME_MAX);
	/* room for all at once: growing would leave copies of the password behind */
	buf_room(&frame, m->listener.n + m->address.n + m->user.n +
	        m->password.n + FRAME_BESIDE);
	msg_ask_password_add(&frame, m);
	good = !frame.failed;
	*is_sent = good && c->peer &&
	    peer_send(c->peer, buf_bytes(&frame), &mailbox, mailbox == -1 ? 0 : 1);
	buf_wipe(&frame);
	return good;
}

static void
watch_clock(struct auth_client *c, bool is_sent)
{
	if (!is_sent || !uv_is_active((uv_handle_t *)&c->timer))
		uv_timer_start(&c->timer, on_tick, is_sent ? TICK_MS : 0, TICK_MS);
}

struct auth_question *
auth_ask(struct auth_client *c, struct bytes listener, struct bytes address,
    struct bytes user, struct bytes password, int mailbox, auth_answer *answer,
    void *context)
{
	const struct msg_ask_password m = { question_number(&c->ring), listener,
		address, user, password };
	struct auth_question         *q = malloc(sizeof *q);
	bool                          is_sent;

	if (q == NULL || !send_question(c, &m, mailbox, &is_sent)) {
		free(q);
		return NULL;
	}
	*q = (struct auth_question){
		.question = { .q = m.q, .asked_ms = clock_monotonic_ms() },
		.answer = answer,
		.context = context,
	};
	question_append(&c->ring, &q->question);
	q->question.is_sent = is_sent;
	watch_clock(c, is_sent);
	return q;
}

void
auth_forget(struct auth_question *q)
{
	if (q == NULL)
		return;
	question_take_out(&q->question);
	free(q);
}
