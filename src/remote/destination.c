#include "remote/destination.h"

#include <stdlib.h>

#include "io/clock.h"
#include "remote/connection.h"
#include "remote/destination_inside.h"
#include "service/event.h"

enum {
	LOG_PAUSE_MS = 10 * 1000, /* one line about a destination's problems */
	DOWN_TEXT_MAX = 1400,
};

struct destination *
destination_new(
    struct desk *desk, const struct arena *arena, const struct itinerary *to)
{
	struct destination *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	d->desk = desk;
	d->arena = *arena;
	d->to = *to;
	buf_init(&d->password, to->password.n);
	buf_add_bytes(&d->password, to->password);
	if (d->password.failed) {
		free(d);
		return NULL;
	}
	d->to.password = buf_bytes(&d->password);
	d->attention.destination = d->wanting.destination = d->all.destination = d;
	concurrency_init(&d->concurrency);
	return d;
}

static void
drop_plan(struct destination *d)
{
	resolve_forget(d->resolving);
	d->resolving = NULL;
	plan_drop(d->plan);
	d->plan = NULL;
}

void
destination_free(struct destination *d)
{
	drop_plan(d);
	arena_finish(&d->arena);
	buf_wipe(&d->password);
	free(d->problem);
	free(d);
}

/* --- the line --- */

static void
line_up(struct destination *d, struct parcel *p)
{
	p->destination = d;
	p->next = NULL;
	p->before = d->last;
	*(d->last ? &d->last->next : &d->first) = p;
	d->last = p;
	d->n++;
}

void
destination_put_back(struct destination *d, struct parcel *p)
{
	p->destination = d;
	p->before = NULL;
	p->next = d->first;
	*(d->first ? &d->first->before : &d->last) = p;
	d->first = p;
	d->n++;
}

void
destination_remove(struct destination *d, struct parcel *p)
{
	*(p->before ? &p->before->next : &d->first) = p->next;
	*(p->next ? &p->next->before : &d->last) = p->before;
	p->next = p->before = NULL;
	p->destination = NULL;
	d->n--;
}

static void
end_line(struct destination *d, const struct outcome *outcome)
{
	while (d->first) {
		struct parcel *p = d->first;

		destination_remove(d, p);
		desk_end(d->desk, p, outcome);
	}
}

/* How many connections could have work at once, as far as that matters. */
static size_t
count_messages(const struct destination *d, size_t enough)
{
	size_t n = 0;

	for (const struct parcel *p = d->first; p && n < enough; p = p->next)
		if (p->before == NULL || !parcel_goes_with(p, p->before))
			n++;
	return n;
}

/* --- problems --- */

void
destination_log_problem(struct destination *d, const struct problem *p)
{
	uint64_t     now_ms = clock_monotonic_ms();
	struct event e;

	if (d->logged_ms > 0 && now_ms - d->logged_ms < LOG_PAUSE_MS) {
		d->unlogged++;
		return;
	}
	e = event_begin("remote-problem", NULL);
	event_text(&e, "to", d->to.name);
	if (p->host[0] != '\0')
		event_text(&e, "host", bytes_of(p->host));
	event_text(&e, "why", bytes_of(p->text));
	if (d->unlogged > 0)
		event_number(&e, "unlogged", d->unlogged);
	event_end(&e);
	d->logged_ms = now_ms;
	d->unlogged = 0;
}

static bool
is_down_with(const struct problem *p)
{
	return p->kind == PROBLEM_TEMPORARY || p->kind == PROBLEM_TLS;
}

static uint32_t
random_number(void)
{
	uint32_t number;

	random_fill(&number, sizeof number);
	return number;
}

static void
go_down(struct destination *d, const struct problem *p)
{
	concurrency_went_down(
	    &d->concurrency, clock_monotonic_ms(), random_number());
	if (d->problem == NULL)
		d->problem = malloc(sizeof *d->problem);
	if (d->problem)
		*d->problem = *p;
}

void
destination_fail(struct destination *d, const struct problem *p)
{
	struct outcome o = problem_outcome(p);

	if (is_down_with(p)) {
		go_down(d, p);
		o.is_down = true;
	} else {
		concurrency_probe_void(&d->concurrency);
	}
	destination_log_problem(d, p);
	end_line(d, &o);
}

void
destination_fail_no_memory(struct destination *d)
{
	struct problem p = { .kind = PROBLEM_NONE };

	problem_set(&p, PROBLEM_OURS, STATUS(4, 3, 0), "no memory");
	destination_fail(d, &p);
}

/* Whoever comes while it is down. */
static void
refuse(struct destination *d, struct parcel *p)
{
	static const struct problem unknown = {
		.kind = PROBLEM_TEMPORARY,
		.status = { 4, 4, 1 },
		.text = "no server can be reached",
	};
	const struct problem *why = d->problem ? d->problem : &unknown;
	uint64_t       now_ms = clock_monotonic_ms(), wait_ms = 0;
	char           text[DOWN_TEXT_MAX];
	struct outcome o;

	if (d->concurrency.probe_ms > now_ms)
		wait_ms = d->concurrency.probe_ms - now_ms;
	o = problem_outcome_of_down(
	    why, clock_now_ms() + wait_ms, text, sizeof text);
	desk_end(d->desk, p, &o);
}

void
destination_add(struct destination *d, struct parcel *p)
{
	if (!concurrency_admit(&d->concurrency, clock_monotonic_ms())) {
		refuse(d, p);
		return;
	}
	line_up(d, p);
	desk_attend(d->desk, d);
}

/* --- what is known of it --- */

static void
on_resolved(void *context)
{
	struct destination *d = context;

	d->resolving = NULL;
	desk_attend(d->desk, d);
}

/* Who its servers are. False: it is being found out, or there are none. */
static bool
has_plan(struct destination *d)
{
	uint64_t now_ms = clock_monotonic_ms();

	if (d->resolving)
		return false;
	if (d->plan && now_ms >= d->plan->expires_ms)
		drop_plan(d);
	if (d->plan == NULL) {
		d->plan = plan_new(now_ms);
		if (d->plan == NULL) {
			destination_fail_no_memory(d);
			return false;
		}
		d->resolving = resolve_hosts(
		    &d->desk->resolver, &d->to, d->plan, on_resolved, d);
	}
	if (d->resolving)
		return false;
	/* connections that are open need no DNS to go on */
	if (d->plan->is_failed && d->n_open == 0)
		destination_fail(d, &d->plan->problem);
	return !d->plan->is_failed;
}

/* Every server of the plan was tried. */
static void
give_up(struct destination *d)
{
	struct problem p = d->plan->problem;

	if (d->n_connections > 0)
		return; /* these do what can be done */
	drop_plan(d);
	if (p.kind == PROBLEM_NONE)
		problem_set(&p, PROBLEM_OURS, STATUS(4, 4, 4),
		    "there is no server to be tried");
	destination_fail(d, &p);
}

/*
 * One connection more than there are open ones may be on its way, so that a destination that does
 * not answer holds one, and one that does has what it takes before long.
 */
static bool
may_open(const struct destination *d)
{
	unsigned max = concurrency_limit(
	    &d->concurrency, (unsigned)d->desk->max_per_destination);
	size_t opening = d->n_connections - d->n_open;

	return d->n_connections < max &&
	    opening < (d->n_open > 0 ? d->n_open : 1) &&
	    opening < count_messages(d, opening + 1);
}

/* False: not now. */
static bool
open_next(struct destination *d)
{
	struct host   *host;
	struct target *target;

	if (d->n == 0 || !may_open(d))
		return false;
	switch (plan_next(d->plan, &host, &target)) {
	case PLAN_TARGET:
		return destination_connect(d, host, target);
	case PLAN_ASK:
		d->resolving = resolve_addresses(&d->desk->resolver, &d->to,
		    d->plan, host, on_resolved, d);
		return d->resolving == NULL;
	case PLAN_WAIT:
		return false;
	case PLAN_NONE:
		give_up(d);
		return false;
	}
	return false;
}

/* Those without work, as many as there is work for. False: there is more. */
static bool
wake_idle(struct destination *d)
{
	size_t n = count_messages(d, d->n_connections + 1);

	for (struct connection *c = d->connections; c && n > 0;
	     c = connection_place(c)->next) {
		if (connection_is_idle(c)) {
			connection_resume(c);
			n--;
		}
	}
	return n == 0;
}

/* Nobody waits. Whoever comes next finds a server to be tried. */
static void
rest(struct destination *d)
{
	concurrency_probe_void(&d->concurrency);
	if (d->plan && !d->plan->is_failed && plan_is_exhausted(d->plan))
		plan_forgive(d->plan);
}

void
destination_attend(struct destination *d)
{
	if (d->n == 0) {
		if (d->n_connections == 0)
			rest(d);
		return;
	}
	if (d->desk->is_stopping || wake_idle(d) || !has_plan(d))
		return;
	while (d->plan && open_next(d))
		;
}

/* --- its end --- */

void
destination_stop(struct destination *d)
{
	struct connection *c, *next;

	for (c = d->connections; c; c = next) {
		next = connection_place(c)->next;
		if (connection_is_open(c))
			connection_quit(c);
		else
			connection_abandon(c);
	}
}

static void
drop_batch(struct destination *d, struct connection *c)
{
	struct batch *b = connection_batch(c);

	for (size_t i = 0; i < b->n; i++)
		if (b->v[i])
			jobs_drop(d->desk->jobs, &b->v[i]->job);
	connection_abandon(c);
}

void
destination_abandon(struct destination *d)
{
	while (d->first)
		jobs_drop(d->desk->jobs, &d->first->job);
	for (struct connection *c = d->connections; c; c = connection_place(c)->next)
		if (connection_batch(c)->n > 0 && !connection_is_past_end(c))
			drop_batch(d, c);
}

bool
destination_is_quiet(const struct destination *d)
{
	return d->n == 0 && d->n_connections == 0 && d->attention.next == NULL &&
	    d->wanting.next == NULL;
}

bool
destination_is_over(const struct destination *d, uint64_t now_ms)
{
	const struct concurrency *c = &d->concurrency;

	if (!destination_is_quiet(d))
		return false;
	if (d->is_retired)
		return true;
	if (c->state != CONCURRENCY_UP) /* longer than it is down: how long that was counts */
		return now_ms > c->probe_ms + 2 * c->down_ms;
	return d->plan == NULL || now_ms >= d->plan->expires_ms;
}

bool
destination_shed(struct destination *d)
{
	for (struct connection *c = d->connections; c; c = connection_place(c)->next)
		if (connection_is_idle(c)) {
			connection_quit(c);
			return true;
		}
	return false;
}
