#include "queue/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/log.h"
#include "mail/retry.h"
#include "queue/notices.h"
#include "queue/routing.h"
#include "queue/schedule_inside.h"
#include "service/event.h"

enum {
	FLIGHTS_MAX = STORE_LEASES_MAX, /* on their way at once */
	ROOM_MIN = 64,        /* before a full window is filled again */
	SOON_MS = 1000,       /* a neighbour was restarted: try again then */
	PASSED_BY_MS = 50,    /* something is due that may not go: look again then */
	DUE_MAX_MS = 60 * 60 * 1000,
	LIMITS_ARENA = 64 * 1024 * 1024,
};

struct schedule *
schedule_new(uv_loop_t *loop, struct lookup_client *lookup)
{
	struct schedule *s = calloc(1, sizeof *s);
	uint64_t         seed;

	if (s == NULL)
		return NULL;
	random_fill(&seed, sizeof seed);
	s->loop = loop;
	s->lookup = lookup;
	s->last_again = &s->again;
	agents_init(&s->agents, loop, s);
	shares_init(&s->shares, seed);
	notices_init(&s->notices, s);
	arena_init(&s->limits, LIMITS_ARENA);
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

struct agents *
schedule_agents(struct schedule *s)
{
	return &s->agents;
}

void
schedule_use(struct schedule *s, const struct config *config)
{
	s->config = config;
	shares_forget_ours(&s->shares);
	shares_add_ours(&s->shares, config->hostname);
	for (size_t i = 0; i < config->domains.n; i++)
		shares_add_ours(&s->shares, config->domains.v[i]);
}

/* --- leases --- */

static void
want_leases(struct schedule *s)
{
	struct store_want want = { .now_ms = clock_now_ms() };
	size_t            room = FLIGHTS_MAX - s->flights.n;

	arena_reset(&s->limits);
	if (!shares_limit(&s->shares, &s->limits, &want)) {
		log_text("no memory for what the queue wants");
		schedule_wake_at(s, want.now_ms + SOON_MS);
		return;
	}
	s->is_wanting = true;
	desk_want(s->desk, room < DESK_LEASES ? room : DESK_LEASES, &want);
}

void
schedule_wake(struct schedule *s)
{
	if (s->is_wanting)
		s->wake_again = true;
	if (!s->has_begun || !s->are_agents_known || s->is_paused ||
	    s->is_stopping || s->is_wanting)
		return;
	if (s->flights.n + ROOM_MIN > FLIGHTS_MAX) {
		s->has_more = true; /* the next that ends makes room */
		return;
	}
	want_leases(s);
}

static void
on_due(uv_timer_t *timer)
{
	schedule_wake(timer->data);
}

/* Too early costs a look, too late a message its time. */
void
schedule_wake_at(struct schedule *s, uint64_t due_ms)
{
	uint64_t now = clock_now_ms();
	uint64_t wait = due_ms > now ? due_ms - now : 1;

	if (due_ms == UINT64_MAX || s->is_stopping)
		return;
	if (wait > DUE_MAX_MS)
		wait = DUE_MAX_MS;
	if (!uv_is_active((uv_handle_t *)&s->timer) ||
	    uv_timer_get_due_in(&s->timer) > wait)
		uv_timer_start(&s->timer, on_due, wait, 0);
}

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
	f->share = shares_enter(&s->shares, l->address);
	routing_ask(f);
}

void
schedule_leased(struct desk_leases *leases, void *context)
{
	struct schedule *s = context;
	bool             wake_again = s->wake_again;
	uint64_t         now = clock_now_ms();

	s->is_wanting = s->wake_again = false;
	if (leases == NULL) {
		schedule_wake_at(s, now + SOON_MS);
		return;
	}
	/* What is due and was not leased was passed by: its destination has its share. */
	s->has_more = leases->n == DESK_LEASES || leases->next_due_ms <= now;
	if (leases->next_due_ms > now)
		schedule_wake_at(s, leases->next_due_ms);
	else if (leases->n < DESK_LEASES)
		schedule_wake_at(s, now + PASSED_BY_MS);
	else
		wake_again = true;
	/* One user of our own, so that no flight frees the list under us. */
	leases->users++;
	for (size_t i = 0; i < leases->n; i++)
		begin_flight(s, leases, i);
	if (--leases->users == 0)
		desk_leases_release(leases);
	if (wake_again)
		schedule_wake(s);
}

static void
end_flight(struct flight *f)
{
	struct schedule *s = f->schedule;
	struct agent    *agent = f->agent;

	shares_leave(&s->shares, f->share);
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
	struct schedule     *s = timer->data;
	struct desk_request *r = s->again, *next;

	s->again = NULL;
	s->last_again = &s->again;
	for (; r; r = next) {
		next = r->next;
		desk_commit(s->desk, r);
	}
}

/* A disk that is full or broken is not asked without a pause. */
static void
commit_later(struct schedule *s, struct desk_request *r)
{
	r->next = NULL;
	*s->last_again = r;
	s->last_again = &r->next;
	if (!uv_is_active((uv_handle_t *)&s->again_timer))
		uv_timer_start(&s->again_timer, on_again, SOON_MS, 0);
}

static void
log_outcome(const struct flight *f, const struct outcome *o)
{
	struct event e = event_begin(outcome_name(o->kind), &f->lease.id);

	event_path(&e, "rcpt", f->lease.address);
	if (f->user[0])
		event_text(&e, "user", bytes_of(f->user));
	if (o->host.n > 0)
		event_text(&e, "host", o->host);
	if (o->protection.n > 0)
		event_text(&e, "tls", o->protection);
	event_status(&e, "status", o->status);
	event_number(&e, "ms", clock_monotonic_ms() - f->begun_ms);
	if (o->kind == OUTCOME_FAILED && o->status.class == 4)
		event_text(&e, "expired", BYTES("yes"));
	if (o->kind != OUTCOME_DELIVERED || o->is_reply)
		event_text(&e, "why", o->text);
	event_end(&e);
}

static void
on_finished(struct desk_request *r)
{
	struct flight            *f = r->context;
	struct schedule          *s = f->schedule;
	const struct store_finish done = r->op.finish;
	enum store_result         result = r->op.result;

	if (result == STORE_UNKNOWN) {
		/* The agent keeps it; so do we, until the disk takes it. */
		log_text("the queue could not write what became of %s: again",
		    id_text(&f->lease.id).p);
		commit_later(s, r);
		return;
	}
	if (f->notice && !notices_written(&s->notices, f, result))
		return; /* it is finished without what it should have caused */
	if (result != STORE_DONE)
		log_text("the queue had no lease of %s any more",
		    id_text(&f->lease.id).p);
	if (f->agent)
		agent_finished(f->agent, f);
	if (done.outcome.kind == OUTCOME_EXPANDED || done.n_caused > 0)
		schedule_wake(s);
	else if (done.outcome.kind == OUTCOME_DEFERRED)
		schedule_wake_at(s, done.due_ms);
	end_flight(f);
}

/* It is decided: whoever delivered it may go on with something else. */
static void
leave_agent(struct flight *f)
{
	if (f->state == FLIGHT_DELIVERING)
		f->agent->n_delivering--;
	f->state = FLIGHT_FINISHING;
	flight_ring_leave(f);
}

void
schedule_commit(struct flight *f, const struct store_finish *finish)
{
	struct desk_request *r = &f->request;

	r->op = (struct store_op){ .kind = STORE_FINISH, .finish = *finish };
	/* Nobody waits for it: the next message's flush can serve both. */
	r->can_wait = finish->outcome.kind != OUTCOME_EXPANDED;
	r->done = on_finished;
	r->context = f;
	desk_commit(f->schedule->desk, r);
}

void
schedule_finish(struct flight *f, const struct store_finish *finish)
{
	struct schedule *s = f->schedule;

	leave_agent(f);
	log_outcome(f, &finish->outcome);
	if (!notices_take(&s->notices, f, finish))
		schedule_commit(f, finish);
	if (f->agent)
		agent_has_room(f->agent);
}

/* When it is tried again, or that it outlived the queue. */
static void
plan(struct flight *f, struct store_finish *end)
{
	const struct config     *config = f->schedule->config;
	const struct retry_terms terms = {
		.k = f->is_remote ? RETRY_REMOTE : RETRY_LOCAL,
		.lifetime_ms = config->queue_lifetime_ms,
		.warning_ms = config->delay_warning_ms,
	};
	uint32_t     random;
	struct retry next;

	random_fill(&random, sizeof random);
	next = retry_after(
	    &terms, f->lease.arrival_ms, clock_now_ms(), random);
	end->due_ms = next.due_ms;
	end->is_warned = next.is_late && !f->lease.is_warned;
	if (next.is_over) {
		/*
		 * RFC 3463 section 3.5: rather than X.4.7, the time expired, the code of
		 * the actual problem, which is of class 4.
		 */
		end->outcome.kind = OUTCOME_FAILED;
	}
}

static bool
copy_outcome(struct flight *f, const struct outcome *from, struct outcome *to)
{
	*to = *from;
	to->text = arena_copy(&f->arena, from->text);
	to->host = arena_copy(&f->arena, from->host);
	to->protection = arena_copy(&f->arena, from->protection);
	return to->text.p && to->host.p && to->protection.p;
}

void
schedule_outcome(struct flight *f, const struct outcome *outcome)
{
	struct store_finish end = { .token = f->lease.token };

	if (!copy_outcome(f, outcome, &end.outcome))
		end.outcome = outcome_of(outcome->kind, outcome->status,
		    BYTES("(no memory for the reason)"));
	if (f->state == FLIGHT_EXTENDING) { /* its token is on the way */
		f->has_outcome = true;
		f->outcome = end.outcome;
		return;
	}
	if (end.outcome.kind == OUTCOME_DEFERRED)
		plan(f, &end);
	schedule_finish(f, &end);
}

void
schedule_fail(struct flight *f, struct status status, struct bytes why)
{
	struct outcome outcome = outcome_of(OUTCOME_FAILED, status, why);

	schedule_outcome(f, &outcome);
}

void
schedule_try_soon(struct flight *f, struct bytes why)
{
	struct store_finish end = {
		.token = f->lease.token,
		/* the text outlives the caller's frame */
		.outcome = outcome_of(OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    arena_copy(&f->arena, why)),
		.due_ms = clock_now_ms() + SOON_MS,
	};

	schedule_finish(f, &end);
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

void
schedule_forget_agent(struct schedule *s, const struct agent *agent)
{
	for (size_t i = 0; i < FLIGHT_BUCKETS; i++)
		for (struct flight *f = s->flights.buckets[i]; f;
		     f = f->next_in_table)
			if (f->agent == agent)
				f->agent = NULL;
}

/* --- after a restart of ours --- */

static void
begin_extended(struct flight *f)
{
	if (f->agent == NULL) {
		schedule_release(f, true);
		return;
	}
	f->state = FLIGHT_DELIVERING;
	if (f->has_outcome)
		schedule_outcome(f, &f->outcome);
}

static void
run_body(struct store *store, struct desk_call *call)
{
	struct flight *f = call->context;

	f->body = store_body(store, &f->lease.id);
}

static void
on_body(struct desk_call *call)
{
	begin_extended(call->context);
}

static void
on_extended(struct desk_request *r)
{
	struct flight   *f = r->context;
	struct schedule *s = f->schedule;

	if (r->op.result == STORE_UNKNOWN) {
		commit_later(s, r);
		return;
	}
	if (r->op.result != STORE_DONE) { /* it was finished before we died */
		if (f->agent) {
			f->agent->n_delivering--;
			agent_finished(f->agent, f);
		}
		end_flight(f);
		return;
	}
	f->share = shares_enter(&s->shares, f->lease.address);
	f->call = (struct desk_call){
		.run = run_body, .done = on_body, .context = f,
	};
	desk_run(s->desk, &f->call);
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
	f->is_remote = agent->kind == AGENT_REMOTE;
	f->state = FLIGHT_EXTENDING;
	f->begun_ms = clock_monotonic_ms();
	r = &f->request;
	r->op = (struct store_op){
		.kind = STORE_EXTEND,
		.id = *id,
		.recipient = recipient,
		.lease = &f->lease,
		.arena = &f->arena,
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

void
schedule_agents_known(struct schedule *s)
{
	if (!s->has_begun || s->are_agents_known)
		return;
	s->are_agents_known = agents_are_known(&s->agents);
	schedule_wake(s);
}

/* --- begin, pause, stop --- */

void
schedule_begin(struct schedule *s)
{
	s->has_begun = true;
	schedule_agents_known(s);
}

static void
on_all_due(struct desk_request *r)
{
	struct schedule *s = r->context;

	s->is_retrying_all = false;
	if (r->op.result == STORE_UNKNOWN)
		log_text("the queue could not make everything due");
	else
		log_text("%llu recipients are due now",
		    (unsigned long long)r->op.kicked);
	schedule_wake(s);
}

void
schedule_trust_nothing(struct schedule *s)
{
	agents_retry_all(&s->agents);
}

void
schedule_retry_all(struct schedule *s)
{
	schedule_trust_nothing(s);
	if (s->is_retrying_all)
		return;
	s->is_retrying_all = true;
	s->retry_all = (struct desk_request){
		.op = { .kind = STORE_KICK_ALL, .now_ms = clock_now_ms() },
		.done = on_all_due,
		.context = s,
	};
	desk_commit(s->desk, &s->retry_all);
}

void
schedule_pause(struct schedule *s, bool on)
{
	s->is_paused = on;
	if (!on)
		schedule_wake(s);
}

size_t
schedule_stop(struct schedule *s)
{
	size_t n = s->flights.n;

	s->is_stopping = true;
	uv_timer_stop(&s->timer);
	agents_stop(&s->agents);
	notices_hurry(&s->notices);
	return n;
}

bool
schedule_is_empty(const struct schedule *s)
{
	return s->flights.n == 0 && !s->is_wanting && !s->is_retrying_all;
}
