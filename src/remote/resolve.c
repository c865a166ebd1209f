#include "remote/resolve.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/network.h"
#include "io/clock.h"
#include "service/event.h"

enum {
	ADDRESSES_READ_MAX = 64, /* of one host; some of them are used */
	TLSA_MAX = 32,           /* of one host */
	TLSA_NAME_MAX = 300,     /* _65535._tcp. and a name */
};

enum { ANSWER_A, ANSWER_AAAA, ANSWERS };

struct resolving {
	const struct resolver  *resolver;
	const struct itinerary *to;
	struct plan            *plan;
	resolved               *done;
	void                   *context;
	bool                    is_starting; /* done must not be called yet */
	bool                    is_over;

	/* Of all hosts. */
	size_t                  hop;         /* that is looked at */
	struct dns_question    *question;    /* MX or TLSA */
	struct policy_question *policy;
	struct problem          problem;     /* of the last hop without a host */

	/* Of one. */
	struct host         *host;
	struct dns_question *questions[ANSWERS];
	enum dns_result      results[ANSWERS];
	uint8_t              addresses[ADDRESSES_READ_MAX][16];
	size_t               n_addresses;
	bool                 is_insecure;  /* any of the addresses */
	char                 canonical[DNS_NAME_MAX + 1];
	bool                 is_base_tried; /* the canonical name has no TLSA records */
};

static uint64_t
random_number(void)
{
	uint64_t number;

	random_fill(&number, sizeof number);
	return number;
}

void
resolve_forget(struct resolving *q)
{
	if (q == NULL)
		return;
	dns_forget(q->question);
	policy_forget(q->policy);
	for (size_t i = 0; i < ANSWERS; i++)
		dns_forget(q->questions[i]);
	free(q);
}

static void
finish(struct resolving *q)
{
	resolved *done = q->done;
	void     *context = q->context;

	q->is_over = true;
	if (q->is_starting)
		return;
	free(q);
	done(context);
}

/* Back from the beginning: NULL when it is over already. */
static struct resolving *
begun(struct resolving *q)
{
	q->is_starting = false;
	if (!q->is_over)
		return q;
	free(q);
	return NULL;
}

static struct resolving *
begin(const struct resolver *r, const struct itinerary *to, struct plan *plan,
    resolved *done, void *context)
{
	struct resolving *q = calloc(1, sizeof *q);

	if (q == NULL)
		return NULL;
	q->resolver = r;
	q->to = to;
	q->plan = plan;
	q->done = done;
	q->context = context;
	q->is_starting = true;
	return q;
}

/* What DNS cannot say; result is none of FOUND. subject: "MX records of example.net". */
static void
set_dns_problem(struct problem *p, const struct itinerary *to,
    enum dns_result result, struct status none, struct bytes text,
    const char *what, struct bytes name)
{
	/* what we were told by our own administrator is no reason to bounce */
	enum problem_kind kind = to->is_routed ? PROBLEM_OURS : PROBLEM_PERMANENT;

	p->host[0] = '\0';
	if (result == DNS_BOGUS)
		problem_set(p, PROBLEM_OURS, STATUS(4, 7, 0),
		    "DNSSEC validation failed: %s of %.*s", what, BYTES_ARG(name));
	else if (result == DNS_TRY_LATER)
		problem_set(p, PROBLEM_OURS, STATUS(4, 4, 3),
		    "no answer from DNS: %s of %.*s%s%.*s", what, BYTES_ARG(name),
		    text.n > 0 ? ": " : "", BYTES_ARG(text));
	else
		problem_set(p, kind, none, "there are no %s of %.*s", what,
		    BYTES_ARG(name));
}

/* --- hosts --- */

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
	finish(q);
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

	switch (exchange_order(v, &n, q->to->hostname, random_number())) {
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
		set_dns_problem(&q->problem, q->to, answer->result,
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
		set_dns_problem(&q->problem, q->to, DNS_TRY_LATER,
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
	struct resolving *q = begin(r, to, plan, done, context);

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
	return begun(q);
}

/* --- addresses --- */

static void
note(struct resolving *q, const struct problem *p)
{
	plan_note(q->plan, p);
}

/* The host is of no use, or has its targets. */
static void
finish_host(struct resolving *q)
{
	q->host->state = HOST_KNOWN;
	finish(q);
}

static void
log_trial(const struct host *h)
{
	struct event e = event_begin("sts-testing", NULL);

	event_text(&e, "host", h->name);
	event_text(&e, "why", BYTES("the policy does not name it"));
	event_end(&e);
}

/* All is known. */
static void
set_targets(struct resolving *q)
{
	struct host   *h = q->host;
	struct plan   *plan = q->plan;
	struct problem problem = { .kind = PROBLEM_NONE };
	size_t         n;

	if (!host_decide(h, q->to, plan, &problem)) {
		note(q, &problem);
		finish_host(q);
		return;
	}
	if (h->is_trial && h->proof != TLS_PROOF_NAME)
		log_trial(h);
	n = exchange_order_addresses(q->addresses, q->n_addresses,
	    EXCHANGE_ADDRESSES_MAX - plan->n_addresses, random_number());
	h->targets = arena_alloc(&plan->arena, n * sizeof *h->targets + 1);
	for (; h->targets && h->n_targets < n; h->n_targets++)
		memcpy(h->targets[h->n_targets].address,
		    q->addresses[h->n_targets], 16);
	plan->n_addresses += h->n_targets;
	finish_host(q);
}

static void
read_tlsa(struct resolving *q, const struct dns_answer *answer)
{
	struct host        *h = q->host;
	struct arena       *arena = &q->plan->arena;
	struct frame_reader records = answer->records;
	struct bytes        base = q->is_base_tried ? h->name : bytes_of(q->canonical);
	struct dns_tlsa     tlsa;

	h->tlsa = arena_alloc(arena, TLSA_MAX * sizeof *h->tlsa);
	for (uint32_t i = 0; h->tlsa && i < answer->n && h->n_tlsa < TLSA_MAX; i++) {
		if (!dns_tlsa_read(frame_bytes(&records), &tlsa) || records.failed)
			continue;
		h->tlsa[h->n_tlsa++] = (struct tls_tlsa){ tlsa.usage, tlsa.selector,
			tlsa.matching_type, arena_copy(arena, tlsa.association) };
	}
	h->names[h->n_names++] = arena_copy(arena, base);
}

static void
fail_tlsa(struct resolving *q, const char *why)
{
	struct problem p = { .kind = PROBLEM_NONE };

	problem_set(&p, PROBLEM_TLS, STATUS(4, 7, 5),
	    "the TLSA records of %.*s: %s", BYTES_ARG(q->host->name), why);
	note(q, &p);
	finish_host(q);
}

static void ask_tlsa(struct resolving *q);

static bool
has_alias(const struct resolving *q)
{
	return !bytes_equal_nocase(bytes_of(q->canonical), q->host->name);
}

static void
on_tlsa(const struct dns_answer *answer, void *context)
{
	struct resolving *q = context;

	q->question = NULL;
	switch (answer->result) {
	case DNS_BOGUS:
		fail_tlsa(q, "DNSSEC validation failed");
		return;
	case DNS_TRY_LATER:
		fail_tlsa(q, "no answer from DNS");
		return;
	case DNS_FOUND:
		if (!answer->is_secure)
			break;
		plan_limit_age(q->plan, clock_monotonic_ms(), answer->ttl_s);
		read_tlsa(q, answer);
		if (q->host->n_tlsa == 0)
			fail_tlsa(q, "malformed");
		else
			set_targets(q);
		return;
	case DNS_NO_DATA:
	case DNS_NO_NAME:
		break;
	}
	if (!q->is_base_tried && has_alias(q)) {
		/* RFC 7672 section 2.2.2: then by the name before the alias */
		q->is_base_tried = true;
		ask_tlsa(q);
		return;
	}
	set_targets(q);
}

static void
ask_tlsa(struct resolving *q)
{
	struct bytes base = q->is_base_tried ? q->host->name : bytes_of(q->canonical);
	struct buf   name;

	buf_init(&name, TLSA_NAME_MAX);
	buf_addf(&name, "_%u._tcp.%.*s", q->host->port, BYTES_ARG(base));
	if (!name.failed)
		q->question = dns_ask(
		    q->resolver->dns, buf_bytes(&name), DNS_TLSA, on_tlsa, q);
	buf_finish(&name);
	if (q->question == NULL)
		fail_tlsa(q, "no memory");
}

/* RFC 7672 section 2.2: all that leads there must be signed. */
static bool
is_dane_possible(const struct resolving *q)
{
	return q->host->is_secure && !q->is_insecure && !q->host->is_numeric &&
	    (q->to->tls == ROUTE_TLS_MAY || q->to->tls == ROUTE_TLS_REQUIRE);
}

/* Neither kind of address: the answer that leaves more hope says why. */
static void
fail_addresses(struct resolving *q)
{
	static const enum dns_result hopeful[] = {
		DNS_TRY_LATER, DNS_BOGUS, DNS_NO_DATA, DNS_NO_NAME };
	struct problem  p = { .kind = PROBLEM_NONE };
	enum dns_result result = DNS_NO_DATA;
	bool            is_itself = bytes_equal(q->host->name, q->host->hop);

	for (size_t i = sizeof hopeful / sizeof hopeful[0]; i-- > 0;)
		if (q->results[ANSWER_A] == hopeful[i] ||
		    q->results[ANSWER_AAAA] == hopeful[i])
			result = hopeful[i];
	set_dns_problem(&p, q->to, result,
	    is_itself ? STATUS(5, 1, 2) : STATUS(5, 4, 4), BYTES(""),
	    "addresses", q->host->name);
	note(q, &p);
	finish_host(q);
}

static void
read_addresses(struct resolving *q, enum dns_type type,
    const struct dns_answer *answer)
{
	struct frame_reader records = answer->records;

	for (uint32_t i = 0; i < answer->n && q->n_addresses < ADDRESSES_READ_MAX; i++)
		if (dns_address_read(type, frame_bytes(&records),
		        q->addresses[q->n_addresses]) && !records.failed)
			q->n_addresses++;
	if (!answer->is_secure)
		q->is_insecure = true;
	if (!bytes_to_string(answer->canonical, q->canonical, sizeof q->canonical))
		q->is_insecure = true; /* it is no name */
	plan_limit_age(q->plan, clock_monotonic_ms(), answer->ttl_s);
}

static void
go_on_with_addresses(struct resolving *q)
{
	if (q->questions[ANSWER_A] || q->questions[ANSWER_AAAA])
		return;
	if (q->n_addresses == 0)
		fail_addresses(q);
	else if (is_dane_possible(q))
		ask_tlsa(q);
	else
		set_targets(q);
}

static void
on_addresses(struct resolving *q, size_t i, enum dns_type type,
    const struct dns_answer *answer)
{
	q->questions[i] = NULL;
	q->results[i] = answer->result;
	if (answer->result == DNS_FOUND)
		read_addresses(q, type, answer);
	go_on_with_addresses(q);
}

static void
on_a(const struct dns_answer *answer, void *context)
{
	on_addresses(context, ANSWER_A, DNS_A, answer);
}

static void
on_aaaa(const struct dns_answer *answer, void *context)
{
	on_addresses(context, ANSWER_AAAA, DNS_AAAA, answer);
}

struct resolving *
resolve_addresses(const struct resolver *r, const struct itinerary *to,
    struct plan *plan, struct host *host, resolved *done, void *context)
{
	struct resolving *q = begin(r, to, plan, done, context);
	struct problem    p = { .kind = PROBLEM_NONE };

	host->state = HOST_ASKED;
	if (q == NULL) {
		problem_set(&p, PROBLEM_OURS, STATUS(4, 3, 0), "no memory");
		plan_note(plan, &p);
		host->state = HOST_KNOWN;
		return NULL;
	}
	q->host = host;
	if (host->is_numeric) {
		if (network_parse_address(host->name, q->addresses[0]))
			q->n_addresses = 1;
	} else {
		/* no memory: as on DNS_TRY_LATER, which is 0 */
		q->questions[ANSWER_A] =
		    dns_ask(r->dns, host->name, DNS_A, on_a, q);
		q->questions[ANSWER_AAAA] =
		    dns_ask(r->dns, host->name, DNS_AAAA, on_aaaa, q);
	}
	go_on_with_addresses(q);
	return begun(q);
}
