#include "fetch/inquiry.h"

#include <stdio.h>
#include <stdlib.h>

#include "io/clock.h"

/* --- inquiries --- */

static void
free_inquiry(struct inquiry *i)
{
	*i->link = i->next;
	if (i->next)
		i->next->link = i->link;
	i->all->n--;
	dns_forget(i->question);
	free(i);
}

static struct inquiry *
find(struct inquiries *all, struct bytes domain)
{
	for (struct inquiry *at = all->first; at; at = at->next)
		if (bytes_equal(domain, bytes_of(at->domain)))
			return at;
	return NULL;
}

/* Tell those who wait. cached NULL: no policy. */
static void
answer(struct inquiry *i, const struct sts_cached *cached, struct bytes why)
{
	i->is_answered = true;
	i->all->answered(i, cached, why);
}

/* What is remembered and counts. NULL: nothing; else it is *cached, in arena. */
static const struct sts_cached *
remembered(const struct inquiry *i, struct arena *arena, struct sts_cached *cached)
{
	bool is_known = memory_find(i->all->memory, bytes_of(i->domain),
	    clock_now_ms(), arena, cached);

	return is_known ? cached : NULL;
}

/* --- the policy --- */

/* Without an announcement a refreshed policy is still the one of its old id. */
static struct bytes
id_of(const struct inquiry *i, const struct sts_cached *old)
{
	struct bytes announced = bytes_of(i->announced.id);

	return announced.n > 0 || old == NULL ? announced : old->id;
}

/* NULL: it is remembered now; or what is wrong with it. */
static const char *
take_policy(struct inquiry *i, struct bytes text, const struct sts_cached *old)
{
	struct bytes      domain = bytes_of(i->domain);
	struct sts_cached cached = {
		.id = id_of(i, old),
		.fetched_ms = clock_now_ms(),
	};
	struct arena arena;
	const char  *mistake;

	arena_init(&arena, MEMORY_ARENA_MAX);
	if (sts_policy_parse(text, &arena, &cached.policy, &mistake)) {
		if (memory_put(i->all->memory, domain, &cached))
			journal_policy(&i->all->journal, clock_monotonic_ms(),
			    domain, old, &cached);
		else
			mistake = "no memory";
	}
	arena_finish(&arena);
	return mistake;
}

static void
note_failure(
    struct inquiry *i, const struct sts_cached *kept, struct bytes why)
{
	struct bytes domain = bytes_of(i->domain);

	i->all->n_failed++;
	memory_fail(i->all->memory, domain, clock_now_ms(), why);
	journal_failure(
	    &i->all->journal, clock_monotonic_ms(), domain, kept, why);
}

/* What counts afterwards: the new policy, or still the old one. */
static void
on_retrieved(struct bytes text, const char *why, void *context)
{
	struct inquiry          *i = context;
	struct sts_cached        before, after;
	const struct sts_cached *old;
	struct arena             arena;

	arena_init(&arena, 2 * (size_t)MEMORY_ARENA_MAX);
	old = remembered(i, &arena, &before);
	if (why == NULL)
		why = take_policy(i, text, old);
	if (why)
		note_failure(i, old, bytes_of(why));
	else
		i->all->n_retrieved++;
	if (!i->is_answered)
		answer(i, remembered(i, &arena, &after), bytes_of(why));
	arena_finish(&arena);
	free_inquiry(i);
}

/* --- the record --- */

/* False: it is answered, and nothing more is to be done. */
static bool
retrieve(struct inquiry *i, const struct sts_cached *cached)
{
	if (retrieval_start(&i->all->retrievals, bytes_of(i->domain),
	        on_retrieved, i))
		return true;
	if (!i->is_answered)
		answer(i, cached, BYTES("too many policies are being fetched"));
	return false;
}

/* Why there is not what is announced: failure, of some minutes ago. */
static struct bytes
why_not(const struct inquiry *i, const struct sts_cached *cached,
    struct bytes failure)
{
	struct bytes announced = bytes_of(i->announced.id);

	if (announced.n == 0)
		return bytes_of(i->announced.why);
	if (cached && bytes_equal(cached->id, announced))
		return BYTES("");
	return failure;
}

/* False: it is answered, and nothing more is to be done. */
static bool
take_step(struct inquiry *i, const struct sts_cached *cached)
{
	struct bytes failure;
	uint64_t     failed_ms = memory_failed_ms(
	        i->all->memory, bytes_of(i->domain), &failure);

	switch (sts_step_of(
	    cached, bytes_of(i->announced.id), failed_ms, clock_now_ms())) {
	case STS_ANSWER:
		answer(i, cached, why_not(i, cached, failure));
		return false;
	case STS_REFRESH:
		answer(i, cached, bytes_of(i->announced.why));
		return retrieve(i, cached);
	case STS_FETCH:
		break;
	}
	return retrieve(i, cached);
}

static void
on_record(const struct dns_answer *record, void *context)
{
	struct inquiry   *i = context;
	struct sts_cached cached;
	struct arena      arena;
	bool              goes_on;

	i->question = NULL;
	announcement_read(&i->announced, record);
	arena_init(&arena, MEMORY_ARENA_MAX);
	goes_on = take_step(i, remembered(i, &arena, &cached));
	arena_finish(&arena);
	if (!goes_on)
		free_inquiry(i);
}

struct inquiry *
inquiry_of(struct inquiries *all, struct bytes domain)
{
	char            name[DNS_NAME_MAX + 1];
	struct inquiry *i = find(all, domain);

	if (i || all->n >= INQUIRIES_MAX)
		return i;
	i = calloc(1, sizeof *i);
	if (i == NULL)
		return NULL;
	i->all = all;
	bytes_to_string(domain, i->domain, sizeof i->domain);
	snprintf(name, sizeof name, "_mta-sts.%.*s", BYTES_ARG(domain));
	i->question = dns_ask(
	    all->retrievals.dns, bytes_of(name), DNS_TXT, on_record, i);
	if (i->question == NULL) {
		free(i);
		return NULL;
	}
	i->next = all->first;
	i->link = &all->first;
	if (i->next)
		i->next->link = &i->next;
	all->first = i;
	all->n++;
	return i;
}

/* --- all of them --- */

bool
inquiries_init(struct inquiries *all, uv_loop_t *loop, struct memory *memory,
    struct bytes authorities, inquired *answered)
{
	*all = (struct inquiries){ .memory = memory, .answered = answered };
	all->retrievals = (struct retrievals){
		.loop = loop,
		.dns = dns_client_new(loop),
		.authorities = authorities,
	};
	return all->retrievals.dns != NULL;
}

void
inquiries_finish(struct inquiries *all)
{
	retrievals_cancel(&all->retrievals);
	while (all->first)
		free_inquiry(all->first);
	dns_client_free(all->retrievals.dns);
	memory_close(all->memory);
}
