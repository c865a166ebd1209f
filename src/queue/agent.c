#include "queue/agent.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/printable.h"
#include "io/log.h"
#include "io/peer.h"
#include "proto/message.h"
#include "queue/schedule.h"

enum { TEXT_MAX = 1024 };

static bool
send_job(struct agent *a, const struct flight *f)
{
	const struct store_lease *l = &f->lease;
	struct msg_deliver        m = {
		       .token = l->token,
		       .id = id_bytes(&l->id),
		       .recipient = l->recipient,
		       .repeated = l->repeated,
		       .user = bytes_of(f->user),
		       .extension = f->extension,
		       .address = l->address,
		       .reverse_path = l->reverse_path,
		       .colour = (uint8_t)l->colour,
		       .size = l->size_bytes,
	};
	struct buf frame;
	bool       sent;

	buf_init(&frame, FRAME_MAX);
	msg_deliver_add(&frame, &m);
	sent = !frame.failed &&
	    peer_send(a->peer, buf_bytes(&frame), &f->body, 1);
	buf_finish(&frame);
	return sent;
}

void
agent_has_room(struct agent *a)
{
	struct flight *f;

	while (a->has_greeted && a->n_delivering < AGENT_WINDOW &&
	    (f = flight_ring_first(&a->waiting)) != NULL) {
		if (!send_job(a, f))
			return; /* it is dead: `gone` comes, and takes them all */
		f->state = FLIGHT_DELIVERING;
		flight_ring_add(&a->delivering, f);
		a->n_delivering++;
	}
}

void
agent_deliver(struct agent *a, struct flight *f)
{
	f->agent = a;
	f->state = FLIGHT_WAITING;
	flight_ring_add(&a->waiting, f);
	agent_has_room(a);
}

void
agent_finished(struct agent *a, const struct id *id, uint32_t recipient)
{
	struct msg_finished m = { id_bytes(id),
		recipient };
	struct buf          frame;

	buf_init(&frame, FRAME_MAX);
	msg_finished_add(&frame, &m);
	peer_send(a->peer, buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
}

/* --- what it says --- */

static bool
has_not_greeted(void *context)
{
	return !((struct agent *)context)->has_greeted;
}

static bool
has_greeted(void *context)
{
	return ((struct agent *)context)->has_greeted;
}

static bool
on_hello(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct agent       *a = context;
	struct msg_hello    m;
	struct frame_reader r;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_hello_read(frame, &m))
		return false;
	r = frame_reader_of(m.jobs);
	for (uint32_t i = 0; i < m.n; i++) {
		struct bytes   text = frame_bytes(&r);
		uint32_t       recipient = frame_u32(&r);
		struct id      id;
		struct flight *f;

		if (r.failed || !id_read(text, &id))
			return false;
		if (schedule_find(a->schedule, &id, recipient))
			return false; /* two of them at the same */
		f = schedule_extend(a->schedule, a, &id, recipient);
		if (f == NULL)
			return false;
		flight_ring_add(&a->delivering, f);
		a->n_delivering++;
	}
	if (!frame_end(&r))
		return false;
	a->has_greeted = true;
	schedule_agent_known(a->schedule);
	agent_has_room(a);
	return true;
}

static bool
on_outcome(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct agent      *a = context;
	struct msg_outcome m;
	struct outcome     outcome;
	struct id          id;
	struct flight     *f;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_outcome_read(frame, &m) || !id_read(m.id, &id) ||
	    m.kind > OUTCOME_FAILED)
		return false;
	f = schedule_find(a->schedule, &id, m.recipient);
	if (f == NULL) { /* from before our restart, and found to be finished */
		agent_finished(a, &id, m.recipient);
		return true;
	}
	if (f->agent != a ||
	    (f->state != FLIGHT_DELIVERING && f->state != FLIGHT_EXTENDING))
		return false;
	outcome = (struct outcome){
		.kind = (enum outcome_kind)m.kind,
		.status = STATUS(m.class, m.subject, m.detail),
		.text = bytes_first(m.text, TEXT_MAX),
	};
	schedule_outcome(f, &outcome);
	return true;
}

static const struct peer_permit permits[] = {
	{ MSG_HELLO, has_not_greeted, on_hello, 0 },
	{ MSG_OUTCOME, has_greeted, on_outcome, 0 },
};

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	struct agent *a = context;

	(void)peer;
	(void)why;
	schedule_agent_gone(a->schedule, a);
}

struct agent *
agent_new(uv_loop_t *loop, struct schedule *s, uint64_t serial, int socket)
{
	struct agent *a = calloc(1, sizeof *a);

	if (a == NULL)
		return NULL;
	a->schedule = s;
	a->serial = serial;
	flight_ring_init(&a->delivering);
	flight_ring_init(&a->waiting);
	a->peer = peer_open(loop, socket, permits,
	    sizeof permits / sizeof permits[0], on_gone, a);
	if (a->peer == NULL) {
		free(a);
		return NULL;
	}
	return a;
}

void
agent_free(struct agent *a)
{
	peer_close(a->peer);
	free(a);
}
