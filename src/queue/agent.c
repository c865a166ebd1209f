#include "queue/agent.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/printable.h"
#include "io/log.h"
#include "io/peer.h"
#include "mail/verp.h"
#include "proto/message.h"
#include "queue/agents.h"
#include "queue/extension.h"
#include "queue/forward.h"
#include "queue/landing.h"
#include "queue/schedule_inside.h"

enum {
	TEXT_MAX = 1024, /* of what another server said */
	NAME_MAX_BYTES = 512,
	PATH_BYTES = 4096,
};

enum { KEPT_MAX = 1900 }; /* its HELLO has to name them: below JOBS_MAX of service/jobs.h */

/* Deliveries that it has at once. */
static const size_t windows[] = {
	[AGENT_DELIVER] = 256,
	[AGENT_REMOTE] = 1500,
};

static void
add_deliver(struct buf *frame, const struct flight *f, struct bytes reverse_path)
{
	const struct store_lease *l = &f->lease;
	struct msg_deliver        m = {
		       .token = l->token,
		       .id = id_bytes(&l->id),
		       .recipient = l->recipient,
		       .repeated = l->repeated,
		       .user = bytes_of(f->user),
		       .extension = f->extension,
		       .is_qmail = f->is_qmail,
		       .local = f->local,
		       .dash = f->dash,
		       .address = l->address,
		       .reverse_path = reverse_path,
		       .colour = (uint8_t)l->colour,
		       .size = l->size_bytes,
	};

	msg_deliver_add(frame, &m);
}

static void
add_remote(struct buf *frame, const struct flight *f, struct bytes reverse_path)
{
	const struct store_lease *l = &f->lease;
	struct msg_remote         m = {
		        .token = l->token,
		        .id = id_bytes(&l->id),
		        .recipient = l->recipient,
		        .repeated = l->repeated,
		        .address = l->address,
		        .reverse_path = reverse_path,
		        .size = l->size_bytes,
		        .body = (uint8_t)l->body,
		        .smtputf8 = l->smtputf8,
		        .ret = (uint8_t)l->ret,
		        .envid = l->envid,
		        .notify = l->notify,
		        .orcpt = l->orcpt,
	};

	msg_remote_add(frame, &m);
}

static bool
send_job(struct agent *a, const struct flight *f)
{
	static void (*const add[])(
	    struct buf *, const struct flight *, struct bytes) = {
		[AGENT_DELIVER] = add_deliver,
		[AGENT_REMOTE] = add_remote,
	};
	struct buf frame, path;
	bool       sent;

	buf_init(&frame, FRAME_MAX);
	buf_init(&path, PATH_BYTES);
	/* A list knows its members by what it wrote, not by where an alias leads. */
	verp_add_for(&path, f->lease.reverse_path, f->lease.original);
	add[a->kind](&frame, f, buf_bytes(&path));
	sent = !frame.failed && !path.failed &&
	    peer_send(a->peer, buf_bytes(&frame), &f->body, 1);
	buf_finish(&path);
	buf_finish(&frame);
	return sent;
}

void
agent_has_room(struct agent *a)
{
	struct flight *f;

	while (a->has_greeted && a->n_delivering < windows[a->kind] &&
	    a->n_kept < KEPT_MAX &&
	    (f = flight_ring_first(&a->waiting)) != NULL) {
		if (!send_job(a, f))
			return; /* it is dead: `gone` comes, and takes them all */
		f->state = FLIGHT_DELIVERING;
		flight_ring_add(&a->delivering, f);
		a->n_delivering++;
		a->n_kept++;
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
agent_retry_all(struct agent *a)
{
	struct msg_retry_all m = { 0 };
	struct buf           frame;

	buf_init(&frame, FRAME_MAX);
	msg_retry_all_add(&frame, &m);
	peer_send(a->peer, buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
}

static void
say_finished(struct agent *a, const struct id *id, uint32_t recipient)
{
	struct msg_finished m = { id_bytes(id), recipient };
	struct buf          frame;

	buf_init(&frame, FRAME_MAX);
	msg_finished_add(&frame, &m);
	peer_send(a->peer, buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
}

void
agent_finished(struct agent *a, const struct flight *f)
{
	a->n_kept--;
	say_finished(a, &f->lease.id, f->lease.recipient);
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
		f = extension_begin(a->schedule, a, &id, recipient);
		if (f == NULL)
			return false;
		flight_ring_add(&a->delivering, f);
		a->n_delivering++;
		a->n_kept++;
	}
	if (!frame_end(&r))
		return false;
	a->has_greeted = true;
	schedule_agents_known(a->schedule);
	agent_has_room(a);
	return true;
}

/* Another server's words reach logs and notifications: one line of printable ASCII. */
static struct bytes
clean(struct flight *f, struct bytes text, size_t max)
{
	struct bytes cleaned;
	struct buf   b;

	if (text.n <= max && printable_is(text))
		return text;
	buf_init(&b, max);
	printable_add(&b, text, max);
	cleaned = arena_copy(&f->arena, buf_bytes(&b));
	buf_finish(&b);
	return cleaned;
}

static struct outcome
read_outcome(struct flight *f, const struct msg_outcome *m)
{
	return (struct outcome){
		.kind = (enum outcome_kind)m->kind,
		.status = STATUS(m->class, m->subject, m->detail),
		.text = clean(f, m->text, TEXT_MAX),
		.host = clean(f, m->host, NAME_MAX_BYTES),
		.protection = clean(f, m->protection, NAME_MAX_BYTES),
		.is_reply = m->is_reply != 0,
		.is_handed_on = m->is_handed_on != 0,
		.is_down = m->is_down != 0,
	};
}

/* What it causes goes with the flight; without that it is not delivered. False: malformed. */
static bool
take_forward(struct agent *a, struct flight *f, const struct msg_outcome *m,
    int *fds, size_t n_fds, struct outcome *outcome)
{
	const uint64_t      max_bytes = schedule_message_max(a->schedule->config);
	struct forward     *forward;
	enum forward_result result =
	    forward_read(m, fds, n_fds, max_bytes, &forward);

	if (result == FORWARD_MALFORMED ||
	    (result != FORWARD_NONE && a->kind != AGENT_DELIVER)) {
		forward_free(forward);
		return false;
	}
	if (result == FORWARD_UNUSABLE)
		*outcome = outcome_of(OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    BYTES("what it forwards is too large, or there is no memory"));
	forward_free(f->forward); /* of the same outcome, once more */
	f->forward = forward;
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
	if (!msg_outcome_read(frame, &m) || !id_read(m.id, &id) ||
	    m.kind > OUTCOME_FAILED)
		return false;
	f = schedule_find(a->schedule, &id, m.recipient);
	if (f == NULL) { /* from before our restart, and found to be finished */
		say_finished(a, &id, m.recipient);
		return true;
	}
	if (f->agent != a ||
	    (f->state != FLIGHT_DELIVERING && f->state != FLIGHT_EXTENDING))
		return false;
	outcome = read_outcome(f, &m);
	if (!take_forward(a, f, &m, fds, n_fds, &outcome))
		return false;
	if (a->kind == AGENT_REMOTE)
		share_learn(f->share, outcome.kind);
	landing_outcome(f, &outcome);
	return true;
}

static const struct peer_permit permits[] = {
	{ MSG_HELLO, has_not_greeted, on_hello, 0 },
	{ MSG_OUTCOME, has_greeted, on_outcome, 2 },
};

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	struct agent *a = context;

	(void)peer;
	(void)why;
	agents_gone(schedule_agents(a->schedule), a);
}

struct agent *
agent_new(uv_loop_t *loop, struct schedule *s, enum agent_kind kind,
    uint64_t serial, int socket)
{
	struct agent *a = calloc(1, sizeof *a);

	if (a == NULL)
		return NULL;
	a->schedule = s;
	a->kind = kind;
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
