#include "service/auth_client.h"

#include <stdlib.h>

#include "base/buf.h"
#include "service/asking.h"

enum { FRAME_BESIDE = 64 }; /* bytes of a frame that are not in its texts; more than there are */

struct auth_question {
	struct question question; /* first: a question is one of these */
	auth_answer    *answer;
	void           *context;
};

struct auth_client {
	struct asking asking; /* first */
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
	q = (struct auth_question *)asking_answered(&c->asking, m.q);
	if (q == NULL) /* forgotten */
		return true;
	q->answer((enum password_answer)m.answer, m.user, q->context);
	free(q);
	return true;
}

static const struct peer_permit permits[] = {
	{ MSG_PASSWORD, NULL, on_password, 0 },
};

/* A question is not kept, since a password would lie about. */
static const struct asking_kind auth_kind = {
	.permits = permits,
	.n_permits = sizeof permits / sizeof permits[0],
	.timeout_ms = AUTH_TIMEOUT_MS,
	.fail = fail,
};

struct auth_client *
auth_client_new(uv_loop_t *loop)
{
	struct auth_client *c = malloc(sizeof *c);

	if (c)
		asking_init(&c->asking, loop, &auth_kind);
	return c;
}

void
auth_client_free(struct auth_client *c)
{
	asking_free(c ? &c->asking : NULL);
}

void
auth_client_connect(struct auth_client *c, int socket)
{
	asking_connect(&c->asking, socket);
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
	*is_sent = good && c->asking.peer &&
	    peer_send(c->asking.peer, buf_bytes(&frame), &mailbox, mailbox == -1 ? 0 : 1);
	buf_wipe(&frame);
	return good;
}

struct auth_question *
auth_ask(struct auth_client *c, struct bytes listener, struct bytes address,
    struct bytes user, struct bytes password, int mailbox, auth_answer *answer,
    void *context)
{
	const struct msg_ask_password m = { question_number(&c->asking.ring), listener,
		address, user, password };
	struct auth_question         *q = malloc(sizeof *q);
	bool                          is_sent;

	if (q == NULL || !send_question(c, &m, mailbox, &is_sent)) {
		free(q);
		return NULL;
	}
	*q = (struct auth_question){ .answer = answer, .context = context };
	asking_append(&c->asking, &q->question, m.q, is_sent);
	return q;
}

void
auth_forget(struct auth_question *q)
{
	asking_forget(q ? &q->question : NULL);
}
