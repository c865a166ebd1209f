#include "queue/agents.h"

#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "queue/landing.h"
#include "queue/schedule_inside.h"
#include "service/service.h"

void
agents_init(struct agents *a, uv_loop_t *loop, struct schedule *s)
{
	*a = (struct agents){ .loop = loop, .schedule = s };
	flight_ring_init(&a->waiting);
}

/* Another of that kind may be there still: its end is on the way. */
static void
use_remote(struct agents *a, struct agent *agent)
{
	struct flight *f;

	a->remote = agent;
	while ((f = flight_ring_first(&a->waiting)) != NULL) {
		flight_ring_leave(f);
		agent_deliver(agent, f);
	}
}

void
agents_add(struct agents *a, enum agent_kind kind, uint64_t serial, int socket)
{
	struct agent *new = agent_new(a->loop, a->schedule, kind, serial, socket);

	if (new == NULL) {
		log_text("no memory for a process for deliveries");
		close(socket);
		return;
	}
	new->next = a->first;
	a->first = new;
	if (kind == AGENT_REMOTE)
		use_remote(a, new);
}

static struct agent *
find(const struct agents *a, uint64_t serial)
{
	struct agent *agent = a->first;

	while (agent && agent->serial != serial)
		agent = agent->next;
	return agent;
}

void
agents_deliver_for(struct agents *a, const struct msg_deliver_for *m)
{
	struct user   *u = users_find(&a->users, m->user);
	struct flight *f;

	if (u == NULL)
		return;
	u->is_asked = false;
	u->agent = m->result == WANT_READY ? find(a, m->serial) : NULL;
	u->known_ms = clock_monotonic_ms();
	while ((f = flight_ring_first(&u->waiting)) != NULL) {
		flight_ring_leave(f);
		if (u->agent)
			agent_deliver(u->agent, f);
		else if (m->result == WANT_NO_USER)
			landing_fail(f, STATUS(5, 1, 1), m->text);
		else
			landing_try_soon(f, m->text.n
			        ? m->text
			        : BYTES("it ended before it began"));
	}
	users_drop_idle(&a->users, u);
}

bool
agents_are_known(const struct agents *a)
{
	for (const struct agent *agent = a->first; agent; agent = agent->next)
		if (!agent->has_greeted)
			return false;
	return true;
}

static void
want_agent(struct user *u)
{
	struct buf frame;

	u->is_asked = true;
	buf_init(&frame, FRAME_MAX);
	msg_want_deliver_add(
	    &frame, &(struct msg_want_deliver){ bytes_of(u->name) });
	service_control_send(buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
}

static bool
is_known(const struct user *u)
{
	return u->agent && clock_monotonic_ms() - u->known_ms < USERS_KNOWN_MS;
}

bool
agents_deliver(struct agents *a, struct flight *f)
{
	struct user *u = users_get(&a->users, bytes_of(f->user));

	if (u == NULL)
		return false;
	if (is_known(u)) {
		agent_deliver(u->agent, f);
		return true;
	}
	f->state = FLIGHT_WAITING;
	flight_ring_add(&u->waiting, f);
	if (!u->is_asked)
		want_agent(u);
	return true;
}

void
agents_send(struct agents *a, struct flight *f)
{
	if (a->is_stopping) {
		landing_release(f, false);
		return;
	}
	if (a->remote) {
		agent_deliver(a->remote, f);
		return;
	}
	f->state = FLIGHT_WAITING;
	flight_ring_add(&a->waiting, f);
}

static void
release_all(struct flight *ring)
{
	struct flight *f;

	while ((f = flight_ring_first(ring)) != NULL)
		landing_release(f, false);
}

/* They may have been delivered unreported. */
static void
release_delivering(struct agent *agent)
{
	struct flight *f;

	while ((f = flight_ring_first(&agent->delivering)) != NULL) {
		if (f->state == FLIGHT_EXTENDING) {
			f->agent = NULL; /* it is released once it is extended */
			flight_ring_leave(f);
		} else {
			landing_release(f, true);
		}
	}
}

void
agents_retry_all(struct agents *a)
{
	if (a->remote)
		agent_retry_all(a->remote);
}

void
agents_gone(struct agents *a, struct agent *agent)
{
	struct agent **at = &a->first;

	while (*at != agent)
		at = &(*at)->next;
	*at = agent->next;
	if (a->remote == agent)
		a->remote = NULL;
	users_forget_agent(&a->users, agent);
	release_all(&agent->waiting);
	release_delivering(agent);
	/* outcomes that are being written need no acknowledgement any more */
	schedule_forget_agent(a->schedule, agent);
	agent_free(agent);
	schedule_agents_known(a->schedule);
}

void
agents_stop(struct agents *a)
{
	a->is_stopping = true;
	release_all(&a->waiting);
	if (a->remote)
		release_all(&a->remote->waiting);
}
