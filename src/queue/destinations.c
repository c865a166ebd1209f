#include "queue/destinations.h"

#include <stdlib.h>
#include <string.h>

#include "queue/window.h"

enum { BUCKETS = 8192 };

bool
destinations_init(struct destinations *all, size_t max, uint64_t seed)
{
	*all = (struct destinations){ .n_buckets = BUCKETS, .seed = seed };
	all->buckets = calloc(BUCKETS, sizeof *all->buckets);
	all->heap = calloc(max, sizeof *all->heap);
	return all->buckets && all->heap;
}

void
destinations_finish(struct destinations *all)
{
	free(all->buckets);
	free(all->heap);
	*all = (struct destinations){ .n = 0 };
}

/* ---- by name ---- */

struct bytes
destination_of(struct bytes address)
{
	size_t at = bytes_find_last(address, '@');

	return at < address.n ? bytes_from(address, at + 1) : address;
}

static uint64_t
hash_name(const struct destinations *all, struct bytes name)
{
	uint64_t h = all->seed;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)byte_lower(name.p[i])) * 0x100000001b3;
	return h ^ h >> 32;
}

static struct destination **
bucket_of(struct destinations *all, uint64_t hash)
{
	return &all->buckets[hash & (all->n_buckets - 1)];
}

static struct destination *
destination_new(struct destinations *all, struct bytes name, uint64_t hash)
{
	struct destination **bucket = bucket_of(all, hash);
	struct destination  *d = malloc(sizeof *d + name.n);

	if (d == NULL)
		return NULL;
	*d = (struct destination){ .next = *bucket, .hash = hash,
		.missing_ms = UINT64_MAX,
		.name = { d->text, name.n } };
	if (name.n > 0)
		memcpy(d->text, name.p, name.n);
	*bucket = d;
	return d;
}

struct destination *
destination_use(struct destinations *all, struct bytes name)
{
	uint64_t            hash = hash_name(all, name);
	struct destination *d = *bucket_of(all, hash);

	while (d && (d->hash != hash || !bytes_equal_nocase(d->name, name)))
		d = d->next;
	if (d == NULL)
		d = destination_new(all, name, hash);
	if (d)
		d->users++;
	return d;
}

void
destination_unuse(struct destinations *all, struct destination *d)
{
	struct destination **link = bucket_of(all, d->hash);

	if (--d->users > 0)
		return;
	while (*link != d)
		link = &(*link)->next;
	*link = d->next;
	free(d);
}

/* ---- the heap ---- */

static bool
is_older(const struct destination *a, const struct destination *b)
{
	const struct window_key ka = window_key_of(&a->first->row);
	const struct window_key kb = window_key_of(&b->first->row);

	return window_key_compare(&ka, &kb) < 0;
}

static void
set_place(struct destinations *all, size_t place, struct destination *d)
{
	all->heap[place - 1] = d;
	d->place = place;
}

/* d may be in the wrong place; everything else is in order. */
static void
sift(struct destinations *all, struct destination *d)
{
	struct destination **heap = all->heap;
	size_t               at = d->place, child;

	for (; at > 1 && is_older(d, heap[at / 2 - 1]); at /= 2)
		set_place(all, at, heap[at / 2 - 1]);
	for (; (child = 2 * at) <= all->n; at = child) {
		if (child < all->n && is_older(heap[child], heap[child - 1]))
			child++;
		if (!is_older(heap[child - 1], d))
			break;
		set_place(all, at, heap[child - 1]);
	}
	set_place(all, at, d);
}

static void
heap_insert(struct destinations *all, struct destination *d)
{
	set_place(all, ++all->n, d);
	sift(all, d);
}

static void
heap_remove(struct destinations *all, struct destination *d)
{
	struct destination *last = all->heap[--all->n];
	const size_t        place = d->place;

	d->place = 0;
	if (last == d)
		return;
	set_place(all, place, last);
	sift(all, last);
}

/* Its first recipient is another one than before, or there is none. */
static void
first_changed(struct destinations *all, struct destination *d)
{
	if (d->is_aside)
		return;
	if (d->first == NULL)
		heap_remove(all, d);
	else if (d->place == 0)
		heap_insert(all, d);
	else
		sift(all, d);
}

/* ---- its recipients ---- */

static bool
is_before(const struct window_entry *a, const struct window_entry *b)
{
	const struct window_key ka = window_key_of(&a->row);
	const struct window_key kb = window_key_of(&b->row);

	return window_key_compare(&ka, &kb) < 0;
}

/* Most are due last of all; what was released is due first. */
void
destination_add(struct destinations *all, struct window_entry *e)
{
	struct destination  *d = e->destination;
	struct window_entry *before = d->last;

	if (d->first && is_before(e, d->first))
		before = NULL;
	while (before && is_before(e, before))
		before = before->earlier;
	e->earlier = before;
	e->later = before ? before->later : d->first;
	*(before ? &before->later : &d->first) = e;
	*(e->later ? &e->later->earlier : &d->last) = e;
	d->n++;
	if (d->first == e)
		first_changed(all, d);
}

void
destination_remove(struct destinations *all, struct window_entry *e)
{
	struct destination *d = e->destination;

	*(e->earlier ? &e->earlier->later : &d->first) = e->later;
	*(e->later ? &e->later->earlier : &d->last) = e->earlier;
	d->n--;
	if (e->earlier == NULL)
		first_changed(all, d);
}

/* ---- limits ---- */

static void
keep(struct destinations *all, struct destination *d)
{
	if (d->is_kept)
		return;
	d->is_kept = true;
	d->users++;
	d->next_kept = all->kept;
	all->kept = d;
}

static void
end_round(struct destinations *all)
{
	struct destination *d;

	while ((d = all->kept) != NULL) {
		all->kept = d->next_kept;
		d->is_kept = false;
		if (d->is_aside) {
			d->is_aside = false;
			if (d->first)
				heap_insert(all, d);
		}
		destination_unuse(all, d);
	}
}

static void
limit(struct destinations *all, const struct store_limit *limit)
{
	struct destination *d = destination_use(all, limit->destination);

	if (d == NULL)
		return;
	d->round = all->round;
	d->left = limit->left;
	keep(all, d);
	destination_unuse(all, d);
}

void
destinations_limit(struct destinations *all, const struct store_want *want)
{
	end_round(all);
	all->round++;
	all->want = want;
	for (size_t i = 0; want && i < want->n_limits; i++)
		limit(all, &want->limits[i]);
}

bool
destination_allows(struct destinations *all, struct destination *d)
{
	if (d->round != all->round) {
		d->round = all->round;
		d->left = all->want ? all->want->others : 0;
	}
	return d->left > 0;
}

void
destination_count(struct destination *d)
{
	d->left--;
}

struct window_entry *
destinations_first(struct destinations *all)
{
	struct destination *d;

	while (all->n > 0) {
		d = all->heap[0];
		if (destination_allows(all, d))
			return d->first;
		heap_remove(all, d);
		d->is_aside = true;
		keep(all, d);
	}
	return NULL;
}
