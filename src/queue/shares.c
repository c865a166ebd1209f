#include "queue/shares.h"

#include <stdlib.h>
#include <string.h>

#include "base/mix.h"

void
shares_init(struct shares *d, uint64_t seed)
{
	*d = (struct shares){ .seed = seed };
}

void
shares_finish(struct shares *d)
{
	for (size_t i = 0; i < SHARES_BUCKETS; i++)
		while (d->buckets[i]) {
			struct share *to = d->buckets[i];

			d->buckets[i] = to->next;
			free(to);
		}
}

static uint64_t
hash_of(const struct shares *d, struct bytes name)
{
	uint64_t hash = d->seed;

	for (size_t i = 0; i < name.n; i++)
		hash = mix(hash ^ (unsigned char)byte_lower(name.p[i]));
	return hash;
}

static struct share *
find(const struct shares *d, struct bytes name, uint64_t hash)
{
	struct share *to = d->buckets[hash % SHARES_BUCKETS];

	while (to && (to->hash != hash || !bytes_equal_nocase(to->name, name)))
		to = to->next;
	return to;
}

/* Made when it is not there, as another's. NULL: no memory. */
static struct share *
get(struct shares *d, struct bytes name)
{
	uint64_t             hash = hash_of(d, name);
	struct share **bucket = &d->buckets[hash % SHARES_BUCKETS];
	struct share  *to = find(d, name, hash);

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
	d->n++;
	return to;
}

static void
drop(struct shares *d, struct share *to)
{
	struct share **at = &d->buckets[to->hash % SHARES_BUCKETS];

	while (*at != to)
		at = &(*at)->next;
	*at = to->next;
	d->n--;
	free(to);
}

static void
drop_if_plain(struct shares *d, struct share *to)
{
	if (!to->is_ours && to->leased == 0 && to->limit == SHARE_BASE)
		drop(d, to);
}

/* --- our own --- */

static void
set_ours(struct shares *d, struct share *to, bool is_ours)
{
	if (to->is_ours == is_ours)
		return;
	to->is_ours = is_ours;
	to->limit = is_ours ? SHARES_OURS : SHARE_BASE;
	if (is_ours) {
		d->n--;
		d->leased_others -= to->leased;
		d->leased_ours += to->leased;
	} else {
		d->n++;
		d->leased_ours -= to->leased;
		d->leased_others += to->leased;
	}
}

void
shares_set_ours(
    struct shares *d, const struct bytes *names, size_t n)
{
	for (size_t i = 0; i < SHARES_BUCKETS; i++)
		for (struct share *to = d->buckets[i], *next; to; to = next) {
			next = to->next;
			set_ours(d, to, false);
			drop_if_plain(d, to);
		}
	for (size_t i = 0; i < n; i++) {
		struct share *to = get(d, names[i]);

		if (to)
			set_ours(d, to, true);
	}
}

/* --- leases --- */

/* Idle ones that have learned something, when there are too many: they learn it anew. */
static void
make_room(struct shares *d)
{
	for (size_t i = 0; i < SHARES_BUCKETS; i++)
		for (struct share *to = d->buckets[i], *next; to; to = next) {
			next = to->next;
			if (!to->is_ours && to->leased == 0)
				drop(d, to);
		}
}

static struct bytes
domain_of(struct bytes address)
{
	size_t at = bytes_find_last(address, '@');

	return at < address.n ? bytes_from(address, at + 1) : address;
}

struct share *
shares_enter(struct shares *d, struct bytes address)
{
	struct share *to;

	if (d->n >= SHARES_KEPT)
		make_room(d);
	to = get(d, domain_of(address));
	if (to == NULL)
		return NULL;
	to->leased++;
	*(to->is_ours ? &d->leased_ours : &d->leased_others) += 1;
	return to;
}

void
shares_leave(struct shares *d, struct share *to)
{
	if (to == NULL)
		return;
	to->leased--;
	*(to->is_ours ? &d->leased_ours : &d->leased_others) -= 1;
	drop_if_plain(d, to);
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
	if (kind == OUTCOME_DEFERRED && to->limit > SHARE_MIN)
		set_limit(to, to->limit / 2 > SHARE_MIN ? to->limit / 2
		                                              : SHARE_MIN);
	/* a refusal for good is an answer too: it takes what it is given */
	if (kind != OUTCOME_DEFERRED && ++to->taken >= to->limit)
		set_limit(to, to->limit * 2 < SHARE_MAX ? to->limit * 2
		                                              : SHARE_MAX);
}

/* --- for the store --- */

static size_t
left_of(size_t limit, size_t leased)
{
	return limit > leased ? limit - leased : 0;
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t
count(const struct shares *d)
{
	size_t n = 0;

	for (size_t i = 0; i < SHARES_BUCKETS; i++)
		for (struct share *to = d->buckets[i]; to; to = to->next)
			n++;
	return n;
}

bool
shares_limit(
    const struct shares *d, struct arena *arena, struct store_want *want)
{
	const size_t ours = left_of(SHARES_OURS, d->leased_ours);
	const size_t others = left_of(SHARES_OTHERS, d->leased_others);
	struct store_limit *list =
	    arena_alloc(arena, (count(d) + 1) * sizeof *list);

	if (list == NULL)
		return false;
	want->others = smaller(SHARE_BASE, others);
	want->limits = list;
	want->n_limits = 0;
	for (size_t i = 0; i < SHARES_BUCKETS; i++)
		for (struct share *to = d->buckets[i]; to; to = to->next) {
			size_t left = smaller(left_of(to->limit, to->leased),
			    to->is_ours ? ours : others);

			if (left != want->others)
				list[want->n_limits++] =
				    (struct store_limit){ to->name, left };
		}
	return true;
}
