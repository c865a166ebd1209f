#include "remote/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/mta_sts.h"

enum { ARENA_MAX = 256 * 1024 };

struct plan *
plan_new(uint64_t now_ms)
{
	struct plan *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	arena_init(&p->arena, ARENA_MAX);
	p->expires_ms = now_ms + PLAN_AGE_MAX_MS;
	p->hosts = arena_alloc(&p->arena, EXCHANGE_HOSTS_MAX * sizeof *p->hosts);
	if (p->hosts == NULL) {
		free(p);
		return NULL;
	}
	p->held = 1;
	return p;
}

struct plan *
plan_hold(struct plan *p)
{
	p->held++;
	return p;
}

void
plan_drop(struct plan *p)
{
	if (p == NULL || --p->held > 0)
		return;
	arena_finish(&p->arena);
	free(p);
}

void
plan_limit_age(struct plan *p, uint64_t now_ms, uint32_t ttl_s)
{
	uint64_t ms = (uint64_t)ttl_s * 1000;

	if (ms < PLAN_AGE_MIN_MS)
		ms = PLAN_AGE_MIN_MS;
	if (now_ms + ms < p->expires_ms)
		p->expires_ms = now_ms + ms;
}

bool
plan_add_host(struct plan *p, const struct host *host)
{
	struct host *h = &p->hosts[p->n_hosts];

	if (p->n_hosts >= EXCHANGE_HOSTS_MAX)
		return false;
	*h = *host;
	h->name = arena_copy(&p->arena, host->name);
	h->hop = arena_copy(&p->arena, host->hop);
	if (h->name.p == NULL || h->hop.p == NULL)
		return false;
	p->n_hosts++;
	return true;
}

void
plan_fail(struct plan *p, uint64_t now_ms, enum problem_kind kind,
    struct status status, const char *format, ...)
{
	char    text[PROBLEM_TEXT_MAX + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	p->is_failed = true;
	p->expires_ms = now_ms + PLAN_FAILED_MS;
	problem_set(&p->problem, kind, status, "%s", text);
	p->problem.host[0] = '\0';
}

/* The last counts; but one that may pass hides those that will not. */
void
plan_note(struct plan *p, const struct problem *problem)
{
	bool is_worse = p->problem.kind != PROBLEM_NONE &&
	    p->problem.kind != PROBLEM_PERMANENT &&
	    problem->kind == PROBLEM_PERMANENT;

	if (!is_worse)
		p->problem = *problem;
}

/* --- whom to try --- */

static struct target *
good_target(const struct host *h)
{
	for (size_t i = 0; i < h->n_targets; i++)
		if (!h->targets[i].is_bad)
			return &h->targets[i];
	return NULL;
}

enum plan_next
plan_next(struct plan *p, struct host **host, struct target **target)
{
	for (size_t i = 0; i < p->n_hosts; i++) {
		struct host *h = *host = &p->hosts[i];

		if (h->state == HOST_NEW)
			return p->n_addresses < EXCHANGE_ADDRESSES_MAX ? PLAN_ASK
			                                               : PLAN_NONE;
		if (h->state == HOST_ASKED)
			return PLAN_WAIT;
		if ((*target = good_target(h)) != NULL)
			return PLAN_TARGET;
	}
	return PLAN_NONE;
}

bool
plan_is_exhausted(const struct plan *p)
{
	for (size_t i = 0; i < p->n_hosts; i++)
		if (p->hosts[i].state != HOST_KNOWN || good_target(&p->hosts[i]))
			return false;
	return true;
}

void
plan_forgive(struct plan *p)
{
	for (size_t i = 0; i < p->n_hosts; i++)
		for (size_t k = 0; k < p->hosts[i].n_targets; k++)
			p->hosts[i].targets[k].is_bad = false;
	if (!p->is_failed)
		p->problem.kind = PROBLEM_NONE;
}

/* --- protection --- */

static void
add_name(struct host *h, struct bytes name)
{
	for (size_t i = 0; i < h->n_names; i++)
		if (bytes_equal(h->names[i], name))
			return;
	if (h->n_names < HOST_NAMES_MAX)
		h->names[h->n_names++] = name;
}

static bool
is_named(const struct plan *p, struct bytes host)
{
	for (size_t i = 0; i < p->n_patterns; i++)
		if (sts_pattern_matches(p->patterns[i], host))
			return true;
	return false;
}

/* RFC 8461 section 5. The certificate is to bear the name of the host that the policy names. */
static bool
decide_by_policy(struct host *h, const struct plan *p, struct problem *problem)
{
	bool matches = is_named(p, h->name);

	if (p->sts == STS_ENFORCE && !matches) {
		problem_set(problem, PROBLEM_TLS, STATUS(4, 7, 5),
		    "the MTA-STS policy does not name %.*s", BYTES_ARG(h->name));
		return false;
	}
	h->is_trial = p->sts == STS_TESTING;
	if (matches) {
		h->tls = SMTP_CLIENT_TLS_MUST;
		h->proof = TLS_PROOF_NAME;
		add_name(h, h->name);
	}
	return true;
}

/*
 * RFC 7672: with records, that is all that counts; names are for those of usage 2 (section
 * 3.2.3), the first of them, the TLSA base domain, is there already.
 */
static void
decide_by_dane(struct host *h)
{
	h->tls = SMTP_CLIENT_TLS_MUST;
	h->proof = TLS_PROOF_DANE;
	add_name(h, h->name);
	add_name(h, h->hop);
}

static bool
decide(struct host *h, const struct itinerary *to, const struct plan *p,
    struct problem *problem)
{
	switch (to->tls) {
	case ROUTE_TLS_NONE:
		h->tls = SMTP_CLIENT_TLS_NEVER;
		return true;
	case ROUTE_TLS_VERIFY:
		h->tls = SMTP_CLIENT_TLS_MUST;
		h->proof = TLS_PROOF_NAME;
		h->n_names = 0;
		add_name(h, h->hop);
		if (h->is_secure)
			add_name(h, h->name);
		return true;
	case ROUTE_TLS_REQUIRE:
		h->tls = SMTP_CLIENT_TLS_MUST;
		break;
	case ROUTE_TLS_MAY:
		h->tls = SMTP_CLIENT_TLS_MAY;
		break;
	}
	if (h->n_tlsa > 0)
		decide_by_dane(h);
	else if (p->sts != STS_NONE)
		return decide_by_policy(h, p, problem);
	return true;
}

enum { SMTPS_PORT = 465 };

bool
host_decide(struct host *h, const struct itinerary *to, const struct plan *p,
    struct problem *problem)
{
	h->proof = TLS_PROOF_NONE;
	if (!decide(h, to, p, problem))
		return false;
	if (h->port == SMTPS_PORT && h->tls != SMTP_CLIENT_TLS_NEVER)
		h->tls = SMTP_CLIENT_TLS_ALREADY;
	return true;
}

bool
host_relax(struct host *h)
{
	if (h->is_trial && h->proof == TLS_PROOF_NAME) {
		h->proof = TLS_PROOF_NONE;
		h->tls = SMTP_CLIENT_TLS_MAY;
		return true;
	}
	if (h->tls != SMTP_CLIENT_TLS_MAY)
		return false;
	h->tls = SMTP_CLIENT_TLS_NEVER;
	return true;
}
