#include "remote/resolve_inside.h"

#include <string.h>

#include "base/buf.h"
#include "base/network.h"
#include "io/clock.h"
#include "service/event.h"

enum {
	TLSA_MAX = 32,       /* of one host */
	TLSA_NAME_MAX = 300, /* _65535._tcp. and a name */
};

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
	resolve_finish(q);
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
	    EXCHANGE_ADDRESSES_MAX - plan->n_addresses, resolve_random());
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
	resolve_set_problem(&p, q->to, result,
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
	struct resolving *q = resolve_begin(r, to, plan, done, context);
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
	return resolve_begun(q);
}
