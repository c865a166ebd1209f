#include "remote/destination_inside.h"

#include <string.h>

#include "io/clock.h"
#include "remote/connection.h"
#include "service/event.h"

enum { ATTEMPTS_MAX = 3 }; /* connections that break under one parcel */

static void
unlink_connection(struct destination *d, struct connection *c)
{
	struct connection_place *place = connection_place(c);

	*(place->before ? &connection_place(place->before)->next
	                : &d->connections) = place->next;
	if (place->next)
		connection_place(place->next)->before = place->before;
	d->n_connections--;
	if (place->is_counted)
		d->n_open--;
	if (place->is_proven)
		d->n_proven--;
}

static void
link_connection(struct destination *d, struct connection *c,
    struct host *host, struct target *target)
{
	struct connection_place *place = connection_place(c);

	*place = (struct connection_place){
		.next = d->connections,
		.plan = plan_hold(d->plan),
		.host = host,
		.target = target,
	};
	if (d->connections)
		connection_place(d->connections)->before = c;
	d->connections = c;
	d->n_connections++;
}

static void
fill_batch(struct destination *d, struct batch *b)
{
	struct parcel *first = d->first, *p, *next;

	for (p = first; p && b->n < BATCH_MAX; p = next) {
		next = p->next;
		if (p != first && !parcel_goes_with(first, p))
			continue;
		destination_remove(d, p);
		batch_add(b, p);
	}
}

static bool
on_ready(struct connection *c, void *context)
{
	struct destination      *d = context;
	struct connection_place *place = connection_place(c);
	bool                     has_work = d->n > 0 && !d->desk->is_stopping;

	if (!place->is_counted) {
		place->is_counted = true;
		d->n_open++;
		concurrency_came_up(&d->concurrency);
		desk_attend(d->desk, d); /* others may follow now */
	}
	if (!connection_is_fresh(c) || desk_wants_back(d->desk, d) ||
	    d->desk->is_stopping ||
	    (!has_work && desk_has_waiting(d->desk))) {
		connection_quit(c);
		return false;
	}
	if (has_work)
		fill_batch(d, connection_batch(c));
	return has_work;
}

static void
on_done(struct connection *c, void *context)
{
	struct destination *d = context;
	struct batch       *b = connection_batch(c);

	if (!connection_place(c)->is_proven) {
		connection_place(c)->is_proven = true;
		d->n_proven++;
	}
	for (size_t i = 0; i < b->n; i++) {
		struct parcel *p = b->v[i];
		struct outcome o;

		if (p == NULL)
			continue;
		o = connection_outcome(c, i);
		desk_end(d->desk, p, &o);
	}
	if (connection_problem(c)->kind == PROBLEM_NONE)
		concurrency_succeeded(
		    &d->concurrency, (unsigned)d->desk->max_per_destination);
	else
		concurrency_failed(&d->concurrency, clock_monotonic_ms());
	if (d->n > 0)
		desk_attend(d->desk, d); /* there may be more connections now */
}

/* It had no chance: again, with another connection. False: there is nothing. */
static bool
take_back(struct destination *d, struct connection *c)
{
	struct batch         *b = connection_batch(c);
	const struct problem *why = connection_problem(c);
	bool                  is_any = b->n > 0;

	for (size_t i = b->n; i-- > 0;) {
		struct parcel *p = b->v[i];

		if (p == NULL)
			continue;
		b->v[i] = NULL;
		p->batch = NULL;
		if (++p->attempts < ATTEMPTS_MAX || why->kind == PROBLEM_NONE) {
			destination_put_back(d, p);
		} else {
			struct outcome o = problem_outcome(why);

			o.kind = OUTCOME_DEFERRED;
			o.status.class = 4;
			desk_end(d->desk, p, &o);
		}
	}
	return is_any;
}

static void
log_less(const struct host *h, const struct problem *p, bool was_trial)
{
	struct event e = event_begin(
	    was_trial ? "sts-testing" : "tls-failed", NULL);

	event_text(&e, "host", bytes_of(p->host));
	event_text(&e, "why", bytes_of(p->text));
	event_text(&e, "then",
	    h->tls == SMTP_CLIENT_TLS_NEVER ? BYTES("in the clear")
	                                    : BYTES("unverified"));
	event_end(&e);
}

/* TLS failed. True: the server may be tried once more with less. */
static bool
relax(struct connection *c)
{
	struct host                   *h = connection_place(c)->host;
	const struct connection_order *order = connection_order(c);
	bool                           was_trial = order->demand.proof == TLS_PROOF_NAME;

	if (h->tls != order->policy.tls || h->proof != order->demand.proof)
		return true; /* another connection found out before */
	if (!host_relax(h))
		return false;
	log_less(h, connection_problem(c), was_trial);
	return true;
}

static void
note_problem(struct destination *d, struct plan *plan, const struct problem *why)
{
	struct problem p = *why;

	/* a smart host that does not like our password is no reason to bounce */
	if (d->to.user.n > 0 && p.kind == PROBLEM_PERMANENT)
		p.kind = PROBLEM_TEMPORARY;
	plan_note(plan, &p);
	destination_log_problem(d, &p);
}

/* was_refused: it had a message and would not even hear whom it is from. */
static void
judge(struct destination *d, struct connection *c, bool was_refused)
{
	struct connection_place *place = connection_place(c);
	const struct problem    *why = connection_problem(c);

	if (why->kind == PROBLEM_NONE) {
		if (connection_transactions(c) > 0)
			plan_forgive(place->plan);
		return;
	}
	if (place->is_counted && !was_refused)
		return; /* it had nothing to do, or on_done has heard of it */
	if (why->kind == PROBLEM_TLS && relax(c))
		return;
	if (connection_transactions(c) == 0) {
		place->target->is_bad = true;
		note_problem(d, place->plan, why);
	}
	if (why->kind == PROBLEM_TEMPORARY)
		concurrency_failed(&d->concurrency, clock_monotonic_ms());
	if (why->kind == PROBLEM_LOOP)
		destination_fail(d, why);
}

static void
on_ended(struct connection *c, void *context)
{
	struct destination *d = context;
	struct plan        *plan = connection_place(c)->plan;

	bool                was_refused = take_back(d, c);

	unlink_connection(d, c);
	judge(d, c, was_refused);
	plan_drop(plan);
	desk_give_connection_back(d->desk, d);
	desk_attend(d->desk, d);
}

static const struct connection_calls calls = { on_ready, on_done, on_ended };

static struct connection_order
order_for(struct destination *d, const struct host *h, const struct target *t)
{
	struct connection_order o = {
		.policy = {
			.hostname = d->to.hostname,
			.tls = h->tls,
			.user = d->to.user,
			.password = d->to.password,
		},
		.demand = {
			.proof = h->proof,
			.sni = h->is_numeric ? BYTES("") : h->name,
			.names = h->names,
			.n_names = h->n_names,
			.tlsa = h->tlsa,
			.n_tlsa = h->n_tlsa,
		},
		.name = h->is_numeric ? BYTES("") : h->name,
		.port = h->port,
		.connect_timeout_ms = d->desk->connect_timeout_ms,
		.timeout_ms = d->desk->timeout_ms,
		.tls = d->desk->tls,
		.calls = &calls,
		.context = d,
	};

	/* RFC 7672 section 8.1: SNI is the TLSA base domain, by which the certificate is chosen */
	if (h->proof == TLS_PROOF_DANE)
		o.demand.sni = h->names[0];
	memcpy(o.address, t->address, sizeof o.address);
	return o;
}

bool
destination_connect(struct destination *d, struct host *h, struct target *t)
{
	struct connection_order order = order_for(d, h, t);
	struct connection      *c;

	if (!desk_take_connection(d->desk, d))
		return false;
	c = connection_open(d->desk->loop, &order);
	if (c == NULL) {
		desk_give_connection_back(d->desk, d);
		if (d->n_connections == 0)
			destination_fail_no_memory(d);
		return false;
	}
	link_connection(d, c, h, t);
	return true;
}
