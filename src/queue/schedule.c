#include "queue/schedule.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "mail/address.h"
#include "mail/directory.h"
#include "mail/retry.h"
#include "queue/agent.h"
#include "queue/flight.h"
#include "queue/users.h"
#include "service/event.h"
#include "service/lookup_client.h"
#include "service/service.h"

enum {
	FLIGHTS_MAX = 1024, /* on their way at once */
	ROOM_MIN = 64,      /* before a full window is filled again */
	SOON_MS = 1000,     /* a neighbour was restarted: try again then */
	DUE_MAX_MS = 60 * 60 * 1000,
};

struct schedule {
	uv_loop_t            *loop;
	struct desk          *desk;
	struct lookup_client *lookup;
	struct flight_table   flights;
	struct users          users;
	struct agent         *agents;
	uv_timer_t            timer; /* the next that gets due */
	uv_timer_t            again_timer;
	struct desk_request  *again; /* what the store could not write */
	uint64_t              queue_lifetime_ms;
	bool                  has_begun, is_paused, is_stopping;
	bool                  are_agents_known; /* those of an earlier life */
	bool                  is_wanting; /* a pass that leases is on its way */
	bool                  wake_again; /* what came since is not in that pass */
	bool                  has_more;   /* the last one found more than it took */
};

struct schedule *
schedule_new(uv_loop_t *loop, struct lookup_client *lookup)
{
	struct schedule *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->loop = loop;
	s->lookup = lookup;
	uv_timer_init(loop, &s->timer);
	uv_timer_init(loop, &s->again_timer);
	s->timer.data = s->again_timer.data = s;
	return s;
}

void
schedule_set_desk(struct schedule *s, struct desk *desk)
{
	s->desk = desk;
}

void
schedule_use(struct schedule *s, const struct config *config)
{
	s->queue_lifetime_ms = config->queue_lifetime_ms;
}

/* --- leases --- */

/* An agent of an earlier life of ours may hold what the store calls due. */
static bool
is_every_agent_known(const struct schedule *s)
{
	for (const struct agent *a = s->agents; a; a = a->next)
		if (!a->has_greeted)
			return false;
	return true;
}

void
schedule_wake(struct schedule *s)
{
	size_t room = FLIGHTS_MAX - s->flights.n;

	if (s->is_wanting)
		s->wake_again = true;
	if (!s->has_begun || !s->are_agents_known || s->is_paused ||
	    s->is_stopping || s->is_wanting)
		return;
	if (s->flights.n + ROOM_MIN > FLIGHTS_MAX) {
		s->has_more = true; /* the next that ends makes room */
		return;
	}
	s->is_wanting = true;
	desk_want(s->desk, room < DESK_LEASES ? room : DESK_LEASES,
	    clock_now_ms());
}

static void
on_due(uv_timer_t *timer)
{
	schedule_wake(timer->data);
}

static void
wait_for_due(struct schedule *s, uint64_t next_due_ms)
{
	uint64_t now = clock_now_ms();
	uint64_t wait = next_due_ms > now ? next_due_ms - now : 1;

	if (next_due_ms == UINT64_MAX)
		return;
	uv_timer_start(
	    &s->timer, on_due, wait < DUE_MAX_MS ? wait : DUE_MAX_MS, 0);
}

static void ask_route(struct flight *f);

static void
begin_flight(
    struct schedule *s, struct desk_leases *leases, size_t i)
{
	const struct store_lease *l = &leases->list[i];
	struct flight *f = flight_new(&s->flights, &l->id, l->recipient);

	if (f == NULL) { /* it stays leased until we are restarted */
		log_text("no memory for a recipient of %s", id_text(&l->id).p);
		leases->users--;
		return;
	}
	f->schedule = s;
	f->lease = *l;
	f->leases = leases;
	f->body = leases->bodies[i];
	f->begun_ms = clock_monotonic_ms();
	ask_route(f);
}

void
schedule_leased(struct desk_leases *leases, void *context)
{
	struct schedule *s = context;
	size_t           n;
	uint64_t         next_due_ms;
	bool             wake_again = s->wake_again;

	s->is_wanting = s->wake_again = false;
	if (leases == NULL) {
		wait_for_due(s, clock_now_ms() + SOON_MS);
		return;
	}
	n = leases->n;
	next_due_ms = leases->next_due_ms;
	s->has_more = n == DESK_LEASES || s->flights.n + n >= FLIGHTS_MAX;
	/* One user of our own, so that no flight frees the list under us. */
	leases->users++;
	for (size_t i = 0; i < n; i++)
		begin_flight(s, leases, i);
	if (--leases->users == 0)
		desk_leases_release(leases);
	if (s->has_more || wake_again)
		schedule_wake(s);
	else
		wait_for_due(s, next_due_ms);
}

static void
end_flight(struct flight *f)
{
	struct schedule *s = f->schedule;
	struct agent    *agent = f->agent;

	flight_free(&s->flights, f);
	if (agent)
		agent_has_room(agent);
	if (s->has_more)
		schedule_wake(s);
}

/* --- back into the store --- */

static void
on_again(uv_timer_t *timer)
{
	struct schedule *s = timer->data;

	while (s->again) {
		struct desk_request *r = s->again;

		s->again = r->next;
		desk_commit(s->desk, r);
	}
}

/* A disk that is full or broken is not asked without a pause. */
static void
commit_later(struct schedule *s, struct desk_request *r)
{
	r->next = s->again;
	s->again = r;
	if (!uv_is_active((uv_handle_t *)&s->again_timer))
		uv_timer_start(&s->again_timer, on_again, SOON_MS, 0);
}

static void
log_outcome(const struct flight *f, const struct outcome *o, bool held)
{
	struct event e = event_begin(
	    held ? "held" : outcome_name(o->kind), &f->lease.id);

	event_path(&e, "rcpt", f->lease.address);
	if (f->user[0])
		event_text(&e, "user", bytes_of(f->user));
	event_status(&e, "status", o->status);
	event_number(&e, "ms", clock_monotonic_ms() - f->begun_ms);
	if (o->kind != OUTCOME_DELIVERED)
		event_text(&e, "why", o->text);
	event_end(&e);
}

static void
on_finished(struct desk_request *r)
{
	struct flight *f = r->context;

	if (r->op.result == STORE_UNKNOWN) {
		/* The agent keeps it; so do we, until the disk takes it. */
		log_text("the queue could not write what became of %s: again",
		    id_text(&f->lease.id).p);
		commit_later(f->schedule, r);
		return;
	}
	if (r->op.result != STORE_DONE)
		log_text("the queue had no lease of %s any more",
		    id_text(&f->lease.id).p);
	if (f->agent)
		agent_finished(f->agent, &f->lease.id, f->lease.recipient);
	if (r->op.finish.outcome.kind == OUTCOME_EXPANDED)
		schedule_wake(f->schedule);
	else if (r->op.finish.outcome.kind == OUTCOME_DEFERRED &&
	    !uv_is_active((uv_handle_t *)&f->schedule->timer))
		wait_for_due(f->schedule, r->op.finish.due_ms);
	end_flight(f);
}

static void
finish(struct flight *f, const struct store_finish *finish)
{
	struct desk_request *r = &f->request;

	if (f->state == FLIGHT_DELIVERING)
		f->agent->n_delivering--;
	f->state = FLIGHT_FINISHING;
	flight_ring_leave(f);
	r->op = (struct store_op){ .kind = STORE_FINISH, .finish = *finish };
	/* Nobody waits for it: the next message's flush can serve both. */
	r->can_wait = finish->outcome.kind != OUTCOME_EXPANDED;
	r->done = on_finished;
	r->context = f;
	desk_commit(f->schedule->desk, r);
}

/* When a deferred recipient is due again; 0: it outlived the queue. */
static uint64_t
next_attempt_ms(const struct schedule *s, const struct store_lease *l)
{
	uint64_t now = clock_now_ms();
	uint32_t random;

	if (now > l->arrival_ms && now - l->arrival_ms > s->queue_lifetime_ms)
		return 0;
	random_fill(&random, sizeof random);
	return retry_next_ms(l->arrival_ms, now, RETRY_LOCAL, random);
}

void
schedule_outcome(struct flight *f, const struct outcome *outcome)
{
	struct store_finish end = { .token = f->lease.token,
		.outcome = *outcome };

	end.outcome.text = arena_copy(&f->arena, outcome->text);
	if (f->state == FLIGHT_EXTENDING) { /* its token is on the way */
		f->has_outcome = true;
		f->outcome = end.outcome;
		return;
	}
	if (end.outcome.kind == OUTCOME_DEFERRED) {
		end.due_ms = next_attempt_ms(f->schedule, &f->lease);
		if (end.due_ms == 0)
			end.outcome.kind = OUTCOME_FAILED;
	}
	end.hold = end.outcome.kind == OUTCOME_FAILED;
	log_outcome(f, &end.outcome, end.hold);
	finish(f, &end);
}

static void
on_released(struct desk_request *r)
{
	struct flight   *f = r->context;
	struct schedule *s = f->schedule;

	if (r->op.result == STORE_UNKNOWN) {
		commit_later(s, r);
		return;
	}
	end_flight(f);
	schedule_wake(s);
}

void
schedule_release(struct flight *f, bool attempted)
{
	struct desk_request *r = &f->request;

	f->agent = NULL;
	f->state = FLIGHT_FINISHING;
	flight_ring_leave(f);
	r->op = (struct store_op){
		.kind = STORE_RELEASE,
		.token = f->lease.token,
		.attempted = attempted,
	};
	r->done = on_released;
	r->context = f;
	desk_commit(f->schedule->desk, r);
}

/* Nothing is wrong with the message: a neighbour is being restarted. */
static void
try_soon(struct flight *f, struct bytes why)
{
	struct store_finish end = {
		.token = f->lease.token,
		/* the text outlives the caller's frame */
		.outcome = outcome_of(OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    arena_copy(&f->arena, why)),
		.due_ms = clock_now_ms() + SOON_MS,
	};

	log_outcome(f, &end.outcome, false);
	finish(f, &end);
}

/* --- where it goes --- */

static void
fail(struct flight *f, struct status status, struct bytes why)
{
	struct outcome outcome = outcome_of(OUTCOME_FAILED, status, why);

	schedule_outcome(f, &outcome);
}

/* NOTIFY, ORCPT and what the client wrote stay with the alias's recipients. */
static void
expand(struct flight *f, const struct route *route)
{
	struct envelope_recipient *list =
	    arena_alloc(&f->arena, (route->n_targets + 1) * sizeof *list);
	struct store_finish end = {
		.token = f->lease.token,
		.outcome = outcome_of(OUTCOME_EXPANDED, STATUS(2, 0, 0),
		    BYTES("became other recipients")),
		.expanded = list,
		.n_expanded = route->n_targets,
		.reverse_path = arena_copy(&f->arena, route->owner),
	};

	for (size_t i = 0; list && i < route->n_targets; i++) {
		list[i].address = arena_copy(&f->arena, route->targets[i]);
		list[i].original = f->lease.original;
		if (list[i].address.p == NULL)
			list = NULL;
	}
	if (list == NULL) {
		try_soon(f, BYTES("no memory for an alias"));
		return;
	}
	log_outcome(f, &end.outcome, false);
	finish(f, &end);
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

static void
deliver(struct flight *f, const struct route *route)
{
	struct schedule *s = f->schedule;
	struct user     *u = users_get(&s->users, route->user);

	f->extension = arena_copy(&f->arena, route->extension);
	if (u == NULL || f->extension.p == NULL) {
		try_soon(f, BYTES("no memory for a user"));
		return;
	}
	if (f->body < 0) {
		try_soon(f, BYTES("its body cannot be read"));
		return;
	}
	memcpy(f->user, u->name, sizeof f->user);
	if (u->agent) {
		agent_deliver(u->agent, f);
		return;
	}
	f->state = FLIGHT_WAITING;
	flight_ring_add(&u->waiting, f);
	if (!u->is_asked)
		want_agent(u);
}

/*
 * An authenticated user or inside host sent it elsewhere. It stays in the queue until
 * something delivers it, and is held when that takes longer than the queue keeps mail.
 */
static void
wait_for_remote(struct flight *f)
{
	const struct outcome outcome = outcome_of(OUTCOME_DEFERRED, STATUS(4, 3, 2),
	    BYTES("delivery to other hosts is not there yet"));

	schedule_outcome(f, &outcome);
}

static void
on_route(const struct route *route, void *context)
{
	struct flight *f = context;

	f->question = NULL;
	if (route == NULL) {
		try_soon(f, BYTES("lookup was restarted"));
		return;
	}
	switch (route->kind) {
	case ROUTE_UNKNOWN_USER:
		fail(f, STATUS(5, 1, 1), BYTES("no such user here"));
		break;
	case ROUTE_NOT_OURS:
		wait_for_remote(f);
		break;
	case ROUTE_USER:
		deliver(f, route);
		break;
	case ROUTE_EXPANDED:
		expand(f, route);
		break;
	}
}

static void
ask_route(struct flight *f)
{
	f->state = FLIGHT_ROUTING;
	f->question = lookup_route(
	    f->schedule->lookup, f->lease.address, on_route, f);
	if (f->question == NULL)
		try_soon(f, BYTES("no memory for a question"));
}

/* --- who delivers --- */

void
schedule_add_agent(struct schedule *s, uint64_t serial, int socket)
{
	struct agent *a = agent_new(s->loop, s, serial, socket);

	if (a == NULL) {
		log_text("no memory for a process for deliveries");
		close(socket);
		return;
	}
	a->next = s->agents;
	s->agents = a;
}

/* Until there is one, what is for other hosts is deferred. */
void
schedule_add_remote(struct schedule *s, uint64_t serial, int socket)
{
	(void)s;
	(void)serial;
	close(socket);
}

static struct agent *
find_agent(const struct schedule *s, uint64_t serial)
{
	struct agent *a = s->agents;

	while (a && a->serial != serial)
		a = a->next;
	return a;
}

void
schedule_deliver_for(struct schedule *s, const struct msg_deliver_for *m)
{
	struct user   *u = users_find(&s->users, m->user);
	struct agent  *a = find_agent(s, m->serial);
	struct flight *f;

	if (u == NULL)
		return;
	u->is_asked = false;
	u->agent = m->result == WANT_READY ? a : NULL;
	while ((f = flight_ring_first(&u->waiting)) != NULL) {
		flight_ring_leave(f);
		if (u->agent)
			agent_deliver(u->agent, f);
		else if (m->result == WANT_NO_USER)
			fail(f, STATUS(5, 1, 1), m->text);
		else
			try_soon(f, m->text.n ? m->text
			                      : BYTES("it ended before it began"));
	}
	users_drop_idle(&s->users, u);
}

void
schedule_agent_known(struct schedule *s)
{
	if (!s->has_begun || s->are_agents_known)
		return;
	s->are_agents_known = is_every_agent_known(s);
	schedule_wake(s);
}

void
schedule_agent_gone(struct schedule *s, struct agent *agent)
{
	struct agent **at = &s->agents;
	struct flight *f;

	while (*at != agent)
		at = &(*at)->next;
	*at = agent->next;
	users_forget_agent(&s->users, agent);
	while ((f = flight_ring_first(&agent->waiting)) != NULL)
		schedule_release(f, false);
	while ((f = flight_ring_first(&agent->delivering)) != NULL) {
		if (f->state == FLIGHT_EXTENDING) {
			f->agent = NULL; /* on_extended releases it */
			flight_ring_leave(f);
		} else {
			schedule_release(f, true);
		}
	}
	/* Outcomes that are being written need no acknowledgement any more. */
	for (size_t i = 0; i < FLIGHT_BUCKETS; i++)
		for (f = s->flights.buckets[i]; f; f = f->next_in_table)
			if (f->agent == agent)
				f->agent = NULL;
	agent_free(agent);
	schedule_agent_known(s);
}

/* --- after a restart of ours --- */

static void
on_extended(struct desk_request *r)
{
	struct flight *f = r->context;

	if (r->op.result == STORE_UNKNOWN) {
		commit_later(f->schedule, r);
		return;
	}
	if (r->op.result != STORE_DONE) { /* it was finished before we died */
		if (f->agent) {
			agent_finished(
			    f->agent, &f->lease.id, f->lease.recipient);
			f->agent->n_delivering--;
		}
		end_flight(f);
		return;
	}
	f->lease.token = r->op.extended;
	if (f->agent == NULL) {
		schedule_release(f, true);
		return;
	}
	f->state = FLIGHT_DELIVERING;
	if (f->has_outcome)
		schedule_outcome(f, &f->outcome);
}

struct flight *
schedule_extend(struct schedule *s, struct agent *agent, const struct id *id,
    uint32_t recipient)
{
	struct flight       *f = flight_new(&s->flights, id, recipient);
	struct desk_request *r;

	if (f == NULL)
		return NULL;
	f->schedule = s;
	f->agent = agent;
	f->state = FLIGHT_EXTENDING;
	f->begun_ms = clock_monotonic_ms();
	f->lease.arrival_ms = id_time_ms(id);
	r = &f->request;
	r->op = (struct store_op){
		.kind = STORE_EXTEND,
		.id = *id,
		.recipient = recipient,
	};
	r->done = on_extended;
	r->context = f;
	desk_commit(s->desk, r);
	return f;
}

struct flight *
schedule_find(
    const struct schedule *s, const struct id *id, uint32_t recipient)
{
	return flight_find(&s->flights, id, recipient);
}

/* --- begin, pause, stop --- */

void
schedule_begin(struct schedule *s)
{
	s->has_begun = true;
	schedule_agent_known(s);
}

void
schedule_pause(struct schedule *s, bool on)
{
	s->is_paused = on;
	if (!on)
		schedule_wake(s);
}

void
schedule_stop(struct schedule *s)
{
	s->is_stopping = true;
	uv_timer_stop(&s->timer);
}

bool
schedule_is_empty(const struct schedule *s)
{
	return s->flights.n == 0 && !s->is_wanting;
}
