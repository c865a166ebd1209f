#include "queue/shares.h"

#include <stdlib.h>
#include <string.h>

#include "base/mix.h"

void
shares_init(struct shares *all, uint64_t seed)
{
	*all = (struct shares){ .seed = seed };
}

void
shares_finish(struct shares *all)
{
	for (size_t i = 0; i < SHARES_BUCKETS; i++)
		while (all->buckets[i]) {
			struct share *to = all->buckets[i];

			all->buckets[i] = to->next;
			free(to);
		}
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t
larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static uint64_t
hash_of(const struct shares *all, struct bytes name)
{
	uint64_t hash = all->seed;

	for (size_t i = 0; i < name.n; i++)
		hash = mix(hash ^ (unsigned char)byte_lower(name.p[i]));
	return hash;
}

static struct share *
find(const struct shares *all, struct bytes name, uint64_t hash)
{
	struct share *to = all->buckets[hash % SHARES_BUCKETS];

	while (to && (to->hash != hash || !bytes_equal_nocase(to->name, name)))
		to = to->next;
	return to;
}

/* Made when it is not there, as another's. NULL: no memory. */
static struct share *
get(struct shares *all, struct bytes name)
{
	uint64_t       hash = hash_of(all, name);
	struct share **bucket = &all->buckets[hash % SHARES_BUCKETS];
	struct share  *to = find(all, name, hash);

	if (to)
		return to;
	to = calloc(1, sizeof *to + name.n);
	if (to == NULL)
		return NULL;
	to->hash = hash;
	to->limit = SHARE_BASE;
	to->name = (struct bytes){ to->text, name.n };
	for (size_t i = 0; i < name.n; i++)
		to->text[i] = byte_lower(name.p[i]);
	to->next = *bucket;
	*bucket = to;
	all->n++;
	return to;
}

static void
drop(struct shares *all, struct share *to)
{
	struct share **at = &all->buckets[to->hash % SHARES_BUCKETS];

	while (*at != to)
		at = &(*at)->next;
	*at = to->next;
	all->n--;
	free(to);
}

static void
drop_if_plain(struct shares *all, struct share *to)
{
	if (!to->is_ours && to->leased == 0 && to->limit == SHARE_BASE)
		drop(all, to);
}

/* --- our own --- */

static void
set_ours(struct shares *all, struct share *to, bool is_ours)
{
	if (to->is_ours == is_ours)
		return;
	to->is_ours = is_ours;
	to->limit = is_ours ? SHARES_OURS : SHARE_BASE;
	if (is_ours) {
		all->n--;
		all->leased_others -= to->leased;
		all->leased_ours += to->leased;
	} else {
		all->n++;
		all->leased_ours -= to->leased;
		all->leased_others += to->leased;
	}
}

void
shares_forget_ours(struct shares *all)
{
	for (size_t i = 0; i < SHARES_BUCKETS; i++)
		for (struct share *to = all->buckets[i], *next; to; to = next) {
			next = to->next;
			set_ours(all, to, false);
			drop_if_plain(all, to);
		}
}

void
shares_add_ours(struct shares *all, struct bytes name)
{
	struct share *to = get(all, name);

	if (to)
		set_ours(all, to, true);
}

/* --- leases --- */

/* Idle ones that have learned something, when there are too many: they learn it anew. */
static void
make_room(struct shares *all)
{
	for (size_t i = 0; i < SHARES_BUCKETS; i++)
		for (struct share *to = all->buckets[i], *next; to; to = next) {
			next = to->next;
			if (!to->is_ours && to->leased == 0)
				drop(all, to);
		}
}

static struct bytes
domain_of(struct bytes address)
{
	size_t at = bytes_find_last(address, '@');

	return at < address.n ? bytes_from(address, at + 1) : address;
}

struct share *
shares_enter(struct shares *all, struct bytes address)
{
	struct share *to;

	if (all->n >= SHARES_KEPT)
		make_room(all);
	to = get(all, domain_of(address));
	if (to == NULL)
		return NULL;
	to->leased++;
	*(to->is_ours ? &all->leased_ours : &all->leased_others) += 1;
	return to;
}

void
shares_leave(struct shares *all, struct share *to)
{
	if (to == NULL)
		return;
	to->leased--;
	*(to->is_ours ? &all->leased_ours : &all->leased_others) -= 1;
	drop_if_plain(all, to);
}

/* What else was leased under the old limit says nothing about the new one. */
static void
set_limit(struct share *to, size_t limit)
{
	to->limit = limit;
	to->taken = 0;
	to->ignored = to->leased - 1;
}

void
share_learn(struct share *to, enum outcome_kind kind)
{
	if (to == NULL || to->is_ours)
		return;
	if (to->ignored > 0) {
		to->ignored--;
		return;
	}
	if (kind == OUTCOME_DEFERRED) {
		if (to->limit > SHARE_MIN)
			set_limit(to, larger(to->limit / 2, SHARE_MIN));
		return;
	}
	/* a refusal for good is an answer too: it takes what it is given */
	if (++to->taken >= to->limit)
		set_limit(to, smaller(to->limit * 2, SHARE_MAX));
}

/* --- for the store --- */

static size_t
left_of(size_t limit, size_t leased)
{
	return limit > leased ? limit - leased : 0;
}

static size_t
count(const struct shares *all)
{
	size_t n = 0;

	for (size_t i = 0; i < SHARES_BUCKETS; i++)
		for (struct share *to = all->buckets[i]; to; to = to->next)
			n++;
	return n;
}

/* False: no memory. */
static bool
add_limit(struct store_want *want, struct store_limit *list, struct arena *arena,
    const struct share *to, size_t left)
{
	struct store_limit *limit = &list[want->n_limits];

	if (left == want->others)
		return true;
	*limit = (struct store_limit){ arena_copy(arena, to->name), left };
	want->n_limits++;
	return limit->destination.p != NULL;
}

bool
shares_limit(
    const struct shares *all, struct arena *arena, struct store_want *want)
{
	const size_t        ours = left_of(SHARES_OURS, all->leased_ours);
	const size_t        others = left_of(SHARES_OTHERS, all->leased_others);
	struct store_limit *list =
	    arena_alloc(arena, (count(all) + 1) * sizeof *list);

	want->limits = list;
	want->n_limits = 0;
	want->others = smaller(SHARE_BASE, others);
	for (size_t i = 0; list && i < SHARES_BUCKETS; i++)
		for (struct share *to = all->buckets[i]; to; to = to->next)
			if (!add_limit(want, list, arena, to,
			        smaller(left_of(to->limit, to->leased),
			            to->is_ours ? ours : others)))
				return false;
	return list != NULL;
}
