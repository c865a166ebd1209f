#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/memfile.h"
#include "io/peer.h"
#include "proto/envelope_wire.h"
#include "proto/message.h"
#include "service/question.h"
#include "service/submit.h"

enum {
	WAITING_MAX = 20 * 1000,
	ENVELOPE_IN_FRAME = 48 * 1024, /* above this it travels as a descriptor */
};

/* Those that were sent come before those that wait. */
struct submission {
	struct question       question; /* first: a question is one of these */
	struct submit_client *client;
	int                   fd;       /* while it waits, ours; else -1 */
	submit_done          *done;
	void                 *context;
	struct buf            envelope; /* while it waits */
};

struct submit_client {
	uv_loop_t           *loop;
	struct peer         *peer;
	uint32_t             credits;
	size_t               n_waiting;
	struct question_ring ring;
};

static void
free_submission(struct submission *s)
{
	question_take_out(&s->question);
	if (!s->question.is_sent)
		s->client->n_waiting--;
	if (s->fd >= 0)
		close(s->fd);
	buf_finish(&s->envelope);
	free(s);
}

/* Tell its sender and free. done may send, cancel others, and connect anew. */
static void
finish(struct submission *s, const struct submit_result *result)
{
	question_take_out(&s->question);
	s->done(result, s->context);
	free_submission(s);
}

static struct submission *
first(struct submit_client *c)
{
	return (struct submission *)question_first(&c->ring);
}

static struct submission *
first_waiting(struct submit_client *c)
{
	struct question *q = question_first(&c->ring);

	while (q && q->is_sent)
		q = question_next(&c->ring, q);
	return (struct submission *)q;
}

/* A large envelope leaves the frame and becomes the second descriptor. */
static bool
send_frame(struct submit_client *c, const struct submission *s, int fd)
{
	struct bytes      envelope = buf_bytes(&s->envelope);
	struct msg_submit m = { s->question.q, envelope, 0 };
	int               fds[2] = { fd, -1 };
	struct buf        frame;
	bool              good;

	if (envelope.n > ENVELOPE_IN_FRAME) {
		fds[1] = memfile_of("envelope", envelope);
		if (fds[1] < 0)
			return false;
		m.envelope = BYTES("");
		m.is_large = 1;
	}
	buf_init(&frame, FRAME_MAX);
	msg_submit_add(&frame, &m);
	good = !frame.failed &&
	    peer_send(c->peer, buf_bytes(&frame), fds, m.is_large ? 2 : 1);
	buf_finish(&frame);
	if (fds[1] >= 0)
		close(fds[1]);
	return good;
}

/* Send it if there is a server and a credit. */
static bool
try_send(struct submission *s, int fd)
{
	struct submit_client *c = s->client;

	if (c->peer == NULL || c->credits == 0 || !send_frame(c, s, fd))
		return false;
	c->credits--;
	c->n_waiting--;
	s->question.is_sent = true;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	buf_finish(&s->envelope);
	return true;
}

static void
send_waiting(struct submit_client *c)
{
	struct submission *s;

	while (c->n_waiting > 0 && c->credits > 0 && c->peer &&
	    (s = first_waiting(c)) != NULL)
		if (!try_send(s, s->fd))
			return;
}

static bool
on_result(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct submit_client *c = context;
	struct msg_result     m;
	struct submit_result  result;
	struct submission    *s;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_result_read(frame, &m))
		return false;
	s = (struct submission *)question_find(&c->ring, m.q);
	if (s == NULL || !s->question.is_sent)
		return false;
	result = (struct submit_result){
		.code = m.code,
		.status = STATUS(m.class, m.subject, m.detail),
		.text = m.text,
	};
	c->credits++;
	finish(s, &result);
	send_waiting(c);
	return true;
}

static bool
on_credit(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct submit_client *c = context;
	struct msg_credit     m;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_credit_read(frame, &m) || m.n > UINT32_MAX - c->credits)
		return false;
	c->credits += m.n;
	send_waiting(c);
	return true;
}

static const struct peer_permit permits[] = {
	{ MSG_RESULT, NULL, on_result, 0 },
	{ MSG_CREDIT, NULL, on_credit, 0 },
};

/*
 * The server is gone. What was sent to it may have been stored or not: the client
 * is told to come again, which can make a duplicate but loses nothing.
 */
static void
fail(struct question *question)
{
	static const struct submit_result unknown = {
		.code = 451,
		.status = { 4, 3, 0 },
		.text = BYTES_INIT("mail system restarting, try again later"),
	};

	finish((struct submission *)question, &unknown);
}

static void
drop_connection(struct submit_client *c)
{
	peer_close(c->peer);
	c->peer = NULL;
	c->credits = 0;
	question_fail_all(&c->ring, true);
}

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	(void)peer;
	(void)why;
	drop_connection(context);
}

struct submit_client *
submit_client_new(uv_loop_t *loop)
{
	struct submit_client *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->loop = loop;
	question_ring_init(&c->ring, fail);
	return c;
}

void
submit_client_free(struct submit_client *c)
{
	struct submission *s;

	if (c == NULL)
		return;
	peer_close(c->peer);
	while ((s = first(c)) != NULL)
		free_submission(s);
	free(c);
}

void
submit_client_connect(struct submit_client *c, int socket)
{
	if (c->peer)
		drop_connection(c);
	c->peer = peer_open(c->loop, socket, permits,
	    sizeof permits / sizeof permits[0], on_gone, c);
	if (c->peer == NULL)
		close(socket);
}

struct submission *
submit_send(struct submit_client *c, const struct envelope *envelope, int fd,
    submit_done *done, void *context)
{
	struct submission *s;

	if (c->n_waiting >= WAITING_MAX)
		return NULL;
	s = malloc(sizeof *s);
	if (s == NULL)
		return NULL;
	*s = (struct submission){
		.client = c,
		.question = { .q = question_number(&c->ring) },
		.fd = -1,
		.done = done,
		.context = context,
	};
	buf_init(&s->envelope, ENVELOPE_WIRE_MAX);
	envelope_add(&s->envelope, envelope);
	/* at the end: whoever was sent stands before whoever waits */
	question_append(&c->ring, &s->question);
	c->n_waiting++;
	if (s->envelope.failed)
		goto undo;
	if (c->n_waiting == 1 && try_send(s, fd))
		return s;
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (s->fd < 0)
		goto undo;
	return s;
undo:
	free_submission(s);
	return NULL;
}

bool
submit_cancel(struct submission *s)
{
	struct buf frame;

	if (!s->question.is_sent) {
		free_submission(s);
		return true;
	}
	buf_init(&frame, FRAME_MAX);
	msg_cancel_add(&frame, &(struct msg_cancel){ s->question.q });
	if (s->client->peer)
		peer_send(s->client->peer, buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
	return false;
}
