#include "queue/landing.h"

#include "io/clock.h"
#include "io/log.h"
#include "mail/retry.h"
#include "queue/forward.h"
#include "queue/schedule_inside.h"
#include "service/event.h"

enum { SOON_MS = 1000 }; /* a neighbour was restarted, a disk is full: try again then */

void
landing_end(struct flight *f)
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

/* --- what the store could not write --- */

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

void
landing_again(struct schedule *s, struct desk_request *r)
{
	r->next = NULL;
	*s->last_again = r;
	s->last_again = &r->next;
	if (!uv_is_active((uv_handle_t *)&s->again_timer))
		uv_timer_start(&s->again_timer, on_again, SOON_MS, 0);
}

/* --- what became of it --- */

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
log_forward(const struct flight *f)
{
	const struct envelope *e = &f->forward->envelope;
	struct event           event = event_begin("forward", &f->lease.id);

	event_path(&event, "rcpt", f->lease.address);
	event_text(&event, "new", bytes_of(id_text(&e->id).p));
	event_path(&event, "from", e->reverse_path);
	event_number(&event, "recipients", e->n_recipients);
	event_end(&event);
}

/* The store will not have it, now or ever: without it the recipient must not end. */
static void
defer_forward(struct flight *f)
{
	struct outcome outcome = outcome_of(OUTCOME_DEFERRED, STATUS(4, 3, 0),
	    BYTES("what it forwards could not be stored"));

	forward_free(f->forward);
	f->forward = NULL;
	landing_outcome(f, &outcome);
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
		landing_again(s, r);
		return;
	}
	if (f->notice && !notices_written(&s->notices, f, result))
		return; /* it is finished without what it should have caused */
	if (f->forward && result == STORE_REFUSED) {
		defer_forward(f);
		return;
	}
	if (f->forward && result == STORE_DONE)
		log_forward(f);
	if (result != STORE_DONE)
		log_text("the queue had no lease of %s any more",
		    id_text(&f->lease.id).p);
	if (f->agent)
		agent_finished(f->agent, f);
	if (done.outcome.kind == OUTCOME_EXPANDED || done.n_caused > 0)
		schedule_wake(s);
	else if (done.outcome.kind == OUTCOME_DEFERRED)
		schedule_wake_at(s, done.due_ms);
	landing_end(f);
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
landing_commit(struct flight *f, const struct store_finish *finish)
{
	struct desk_request *r = &f->request;

	r->op = (struct store_op){ .kind = STORE_FINISH, .finish = *finish };
	/* Nobody waits for it: the next message's flush can serve both. */
	r->can_wait = finish->outcome.kind != OUTCOME_EXPANDED && !f->forward;
	r->done = on_finished;
	r->context = f;
	desk_commit(f->schedule->desk, r);
}

void
landing_finish(struct flight *f, const struct store_finish *finish)
{
	struct schedule *s = f->schedule;

	leave_agent(f);
	log_outcome(f, &finish->outcome);
	if (!notices_take(&s->notices, f, finish))
		landing_commit(f, finish);
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
landing_outcome(struct flight *f, const struct outcome *outcome)
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
	if (f->forward) {
		forward_complete(f->forward, &f->lease, clock_now_ms());
		f->caused[0] = f->forward->put;
		end.caused = f->caused;
		end.n_caused = 1;
	}
	landing_finish(f, &end);
}

void
landing_fail(struct flight *f, struct status status, struct bytes why)
{
	struct outcome outcome = outcome_of(OUTCOME_FAILED, status, why);

	landing_outcome(f, &outcome);
}

void
landing_try_soon(struct flight *f, struct bytes why)
{
	struct store_finish end = {
		.token = f->lease.token,
		/* the text outlives the caller's frame */
		.outcome = outcome_of(OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    arena_copy(&f->arena, why)),
		.due_ms = clock_now_ms() + SOON_MS,
	};

	landing_finish(f, &end);
}

/* --- as if it had never been out --- */

static void
log_cut_off(const struct flight *f)
{
	struct event e = event_begin("cut-off", &f->lease.id);

	event_path(&e, "rcpt", f->lease.address);
	if (f->user[0])
		event_text(&e, "user", bytes_of(f->user));
	event_number(&e, "ms", clock_monotonic_ms() - f->begun_ms);
	event_end(&e);
}

static void
on_released(struct desk_request *r)
{
	struct flight   *f = r->context;
	struct schedule *s = f->schedule;

	if (r->op.result == STORE_UNKNOWN) {
		landing_again(s, r);
		return;
	}
	landing_end(f);
	schedule_wake(s);
}

void
landing_release(struct flight *f, bool attempted)
{
	struct desk_request *r = &f->request;

	if (attempted)
		log_cut_off(f);
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
