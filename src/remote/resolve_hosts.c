#include "remote/resolve_inside.h"

#include <stdlib.h>

#include "io/clock.h"

static void next_hop(struct resolving *q);

static void
finish_hosts(struct resolving *q)
{
	struct plan *plan = q->plan;

	if (q->policy || q->question || q->hop < q->to->n_hops)
		return;
	if (plan->n_hosts == 0)
		plan_fail(plan, clock_monotonic_ms(), q->problem.kind,
		    q->problem.status, "%s", q->problem.text);
	resolve_finish(q);
}

static void
add_host(struct resolving *q, struct bytes name, bool is_secure)
{
	const struct hop *hop = &q->to->hops[q->hop];
	struct host       h = {
		      .name = name,
		      .hop = hop->host,
		      .port = hop->port,
		      .is_secure = is_secure,
		      .is_numeric = hop->is_address,
	};

	plan_add_host(q->plan, &h);
}

static void
add_exchanges(struct resolving *q, struct exchange *v, size_t n, bool is_secure)
{
	struct bytes domain = q->to->hops[q->hop].host;

	switch (exchange_order(v, &n, q->to->hostname, resolve_random())) {
	case EXCHANGE_OK:
		for (size_t i = 0; i < n; i++)
			add_host(q, v[i].name, is_secure);
		break;
	case EXCHANGE_NONE:
		problem_set(&q->problem, PROBLEM_PERMANENT, STATUS(5, 1, 10),
		    "%.*s takes no mail (null MX)", BYTES_ARG(domain));
		break;
	case EXCHANGE_LOOP:
		problem_set(&q->problem, PROBLEM_LOOP, STATUS(5, 4, 6),
		    "mail for %.*s loops back to us: we are its best mail "
		    "exchanger, and it is not ours", BYTES_ARG(domain));
		break;
	}
}

struct mx_list {
	struct exchange v[DNS_RECORDS_MAX];
	struct dns_mx   mx[DNS_RECORDS_MAX];
};

static void
read_mx(struct resolving *q, const struct dns_answer *answer)
{
	struct frame_reader records = answer->records;
	struct mx_list     *list = malloc(sizeof *list);
	size_t              n = 0;

	for (uint32_t i = 0; list && i < answer->n && n < DNS_RECORDS_MAX; i++) {
		if (!dns_mx_read(frame_bytes(&records), &list->mx[n]) ||
		    records.failed)
			continue;
		list->v[n].preference = list->mx[n].preference;
		list->v[n].name = bytes_of(list->mx[n].exchange);
		n++;
	}
	if (n > 0)
		add_exchanges(q, list->v, n, answer->is_secure);
	else
		problem_set(&q->problem, PROBLEM_OURS, STATUS(4, 4, 3),
		    "the MX records of %.*s cannot be used",
		    BYTES_ARG(q->to->hops[q->hop].host));
	free(list);
}

static void
on_mx(const struct dns_answer *answer, void *context)
{
	struct resolving *q = context;
	struct bytes      domain = q->to->hops[q->hop].host;
	struct exchange   itself = { 0, domain };

	q->question = NULL;
	if (answer->result == DNS_FOUND) {
		plan_limit_age(q->plan, clock_monotonic_ms(), answer->ttl_s);
		read_mx(q, answer);
	} else if (answer->result == DNS_NO_DATA) {
		add_exchanges(q, &itself, 1, answer->is_secure);
	} else {
		resolve_set_problem(&q->problem, q->to, answer->result,
		    STATUS(5, 1, 2), answer->text, "MX records", domain);
	}
	q->hop++;
	next_hop(q);
}

/* From here on until an answer is to be waited for. */
static void
next_hop(struct resolving *q)
{
	for (; q->hop < q->to->n_hops; q->hop++) {
		const struct hop *hop = &q->to->hops[q->hop];

		if (hop->is_exact) {
			add_host(q, hop->host, true);
			continue;
		}
		q->question = dns_ask(q->resolver->dns, hop->host, DNS_MX, on_mx, q);
		if (q->question)
			return;
		resolve_set_problem(&q->problem, q->to, DNS_TRY_LATER,
		    STATUS(4, 4, 3), BYTES(""), "MX records", hop->host);
	}
	finish_hosts(q);
}

static void
on_policy(const struct policy_answer *answer, void *context)
{
	struct resolving   *q = context;
	struct plan        *plan = q->plan;
	struct frame_reader patterns = answer->patterns;

	q->policy = NULL;
	plan->sts = answer->mode;
	if (answer->n > 0)
		plan->patterns = arena_alloc(
		    &plan->arena, answer->n * sizeof *plan->patterns);
	for (uint32_t i = 0; plan->patterns && i < answer->n; i++) {
		struct bytes copy = arena_copy(&plan->arena, frame_bytes(&patterns));

		if (copy.p && copy.n > 0)
			plan->patterns[plan->n_patterns++] = copy;
	}
	finish_hosts(q);
}

/* A policy is the domain's word on its MX records; a literal has neither. */
static bool
is_policy_wanted(const struct itinerary *to)
{
	return to->domain.n > 0 && to->tls == ROUTE_TLS_MAY &&
	    to->n_hops > 0 && !to->hops[0].is_exact;
}

struct resolving *
resolve_hosts(const struct resolver *r, const struct itinerary *to,
    struct plan *plan, resolved *done, void *context)
{
	struct resolving *q = resolve_begin(r, to, plan, done, context);

	if (q)
		problem_set(&q->problem, PROBLEM_OURS, STATUS(4, 3, 0), "no memory");
	if (q && is_policy_wanted(to)) {
		q->policy = policy_ask(r->policies, to->domain, on_policy, q);
		if (q->policy == NULL) {
			free(q);
			q = NULL;
		}
	}
	if (q == NULL) {
		plan_fail(plan, clock_monotonic_ms(), PROBLEM_OURS,
		    STATUS(4, 3, 0), "no memory");
		return NULL;
	}
	next_hop(q);
	return resolve_begun(q);
}
