#include "queue/window.h"

#include <stdlib.h>
#include <string.h>

struct destination {
	struct destination *next; /* in its bucket */
	size_t              users;
	uint64_t            round; /* left was set in this one */
	size_t              left;
	uint64_t            hash;
	struct bytes        name;
	char                text[];
};

void
window_init(struct window *w, uint64_t seed)
{
	*w = (struct window){ .seed = seed };
}

struct window_key
window_key_of(const struct window_row *row)
{
	return (struct window_key){ row->due_ms, row->lease.id,
		row->lease.recipient };
}

struct window_key
window_key_first(void)
{
	return (struct window_key){ .due_ms = 0 };
}

struct window_key
window_key_last(void)
{
	struct window_key key = { .due_ms = UINT64_MAX, .recipient = UINT32_MAX };

	memset(key.id.bits, 255, ID_BITS);
	return key;
}

int
window_key_compare(const struct window_key *a, const struct window_key *b)
{
	int ids;

	if (a->due_ms != b->due_ms)
		return a->due_ms < b->due_ms ? -1 : 1;
	ids = memcmp(a->id.bits, b->id.bits, ID_BITS);
	if (ids != 0)
		return ids;
	return (a->recipient > b->recipient) - (a->recipient < b->recipient);
}

static int
row_compare(const struct window_row *a, const struct window_row *b)
{
	const struct window_key ka = window_key_of(a), kb = window_key_of(b);

	return window_key_compare(&ka, &kb);
}

/* ---- lists ---- */

/* Behind e, or first when e is NULL. */
static void
list_insert(
    struct window_list *list, struct window_entry *e, struct window_entry *new)
{
	struct window_entry *next = e ? e->next : list->first;

	new->previous = e;
	new->next = next;
	*(e ? &e->next : &list->first) = new;
	*(next ? &next->previous : &list->last) = new;
	list->n++;
}

static void
list_remove(struct window_list *list, struct window_entry *e)
{
	*(e->previous ? &e->previous->next : &list->first) = e->next;
	*(e->next ? &e->next->previous : &list->last) = e->previous;
	list->n--;
}

/* ---- destinations ---- */

static uint64_t
hash_name(const struct window *w, struct bytes name)
{
	uint64_t h = w->seed;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)byte_lower(name.p[i])) * 0x100000001b3;
	return h ^ h >> 32;
}

/* What limits count: the domain. */
static struct bytes
destination_of(struct bytes address)
{
	size_t at = bytes_find_last(address, '@');

	return at < address.n ? bytes_from(address, at + 1) : address;
}

static struct destination *
destination_find(struct window *w, struct bytes name, uint64_t hash)
{
	struct destination *d = w->destinations[hash % WINDOW_BUCKETS];

	while (d && (d->hash != hash || !bytes_equal_nocase(d->name, name)))
		d = d->next;
	return d;
}

/* For a destination that window_limit could not know. */
static size_t
limit_of(const struct store_want *want, struct bytes name)
{
	for (size_t i = 0; i < want->n_limits; i++)
		if (bytes_equal_nocase(want->limits[i].destination, name))
			return want->limits[i].left;
	return want->others;
}

static struct destination *
destination_use(struct window *w, struct bytes name)
{
	uint64_t             hash = hash_name(w, name);
	struct destination **bucket = &w->destinations[hash % WINDOW_BUCKETS];
	struct destination  *d = destination_find(w, name, hash);

	if (d == NULL) {
		d = malloc(sizeof *d + name.n);
		if (d == NULL)
			return NULL;
		*d = (struct destination){ .next = *bucket, .hash = hash,
			.name = { d->text, name.n } };
		if (name.n > 0)
			memcpy(d->text, name.p, name.n);
		*bucket = d;
		if (w->want)
			d->left = limit_of(w->want, name);
		d->round = w->round;
	}
	d->users++;
	return d;
}

static void
destination_unuse(struct window *w, struct destination *d)
{
	struct destination **link = &w->destinations[d->hash % WINDOW_BUCKETS];

	if (--d->users > 0)
		return;
	while (*link != d)
		link = &(*link)->next;
	*link = d->next;
	free(d);
}

void
window_limit(struct window *w, const struct store_want *want)
{
	w->want = want;
	w->round++;
	for (size_t i = 0; want && i < want->n_limits; i++) {
		const struct store_limit *limit = &want->limits[i];
		struct destination       *d = destination_find(w,
		          limit->destination, hash_name(w, limit->destination));

		if (d == NULL)
			continue;
		d->round = w->round;
		d->left = limit->left;
	}
}

/* Those that had no limit of their own in window_limit come here first. */
static bool
allows(struct window *w, struct destination *d)
{
	if (d->round != w->round) {
		d->round = w->round;
		d->left = w->want->others;
	}
	if (d->left == 0)
		return false;
	d->left--;
	return true;
}

bool
window_allows(struct window *w, struct window_entry *e)
{
	return allows(w, e->destination);
}

/* ---- entries ---- */

static struct window_entry **
key_bucket(struct window *w, const struct id *id, uint32_t recipient)
{
	uint64_t h;

	memcpy(&h, id->bits + ID_BITS - sizeof h, sizeof h);
	h = (h ^ recipient) * 0x9e3779b97f4a7c15;
	return &w->by_key[(h >> 32) % WINDOW_BUCKETS];
}

static struct window_entry *
find(struct window *w, const struct id *id, uint32_t recipient)
{
	struct window_entry *e = *key_bucket(w, id, recipient);

	while (e && (e->row.lease.recipient != recipient ||
	                !id_equal(&e->row.lease.id, id)))
		e = e->next_by_key;
	return e;
}

static void
index_key(struct window *w, struct window_entry *e)
{
	struct window_entry **bucket =
	    key_bucket(w, &e->row.lease.id, e->row.lease.recipient);

	e->next_by_key = *bucket;
	*bucket = e;
}

static void
unindex_key(struct window *w, struct window_entry *e)
{
	struct window_entry **link =
	    key_bucket(w, &e->row.lease.id, e->row.lease.recipient);

	while (*link != e)
		link = &(*link)->next_by_key;
	*link = e->next_by_key;
}

/* Tokens are counted up, so neighbours never share a bucket. */
static void
index_token(struct window *w, struct window_entry *e)
{
	struct window_entry **bucket =
	    &w->by_token[e->row.lease.token % WINDOW_BUCKETS];

	e->next_by_token = *bucket;
	*bucket = e;
}

static void
unindex_token(struct window *w, struct window_entry *e)
{
	struct window_entry **link =
	    &w->by_token[e->row.lease.token % WINDOW_BUCKETS];

	while (*link != e)
		link = &(*link)->next_by_token;
	*link = e->next_by_token;
}

static struct bytes
put_text(char **at, struct bytes from)
{
	struct bytes copy = { *at, from.n };

	if (from.n > 0)
		memcpy(*at, from.p, from.n);
	*at += from.n;
	return copy;
}

/* A copy of the row, in no list yet. NULL: no memory. */
static struct window_entry *
entry_new(struct window *w, const struct window_row *row)
{
	const struct store_lease *from = &row->lease;
	struct window_entry      *e = malloc(sizeof *e + from->address.n +
             from->original.n + from->reverse_path.n);
	char                     *at;

	if (e == NULL)
		return NULL;
	*e = (struct window_entry){ .row = *row };
	at = e->text;
	e->row.lease.address = put_text(&at, from->address);
	e->row.lease.original = put_text(&at, from->original);
	e->row.lease.reverse_path = put_text(&at, from->reverse_path);
	e->destination = destination_use(w, destination_of(from->address));
	if (e->destination == NULL) {
		free(e);
		return NULL;
	}
	index_key(w, e);
	return e;
}

/* It is in no list and no index any more. */
static void
entry_free(struct window *w, struct window_entry *e)
{
	destination_unuse(w, e->destination);
	free(e);
}

static void
drop_ready(struct window *w, struct window_entry *e)
{
	list_remove(&w->ready, e);
	unindex_key(w, e);
	entry_free(w, e);
}

bool
window_has(struct window *w, const struct id *id, uint32_t recipient)
{
	return find(w, id, recipient) != NULL;
}

bool
window_is_leased(struct window *w, const struct id *id, uint32_t recipient)
{
	const struct window_entry *e = find(w, id, recipient);

	return e != NULL && e->row.lease.token != 0;
}

/* ---- ready ---- */

void
window_outside_at(struct window *w, const struct window_key *key)
{
	if (window_key_compare(key, &w->outside) >= 0)
		return;
	w->outside = *key;
	w->outside_is_exact = true;
}

/* Most are due last of all; what was released is due first. */
static void
insert_ready(struct window *w, struct window_entry *e)
{
	struct window_entry *before = w->ready.last;

	if (w->ready.first && row_compare(&e->row, &w->ready.first->row) < 0)
		before = NULL;
	while (before && row_compare(&e->row, &before->row) < 0)
		before = before->previous;
	list_insert(&w->ready, before, e);
}

void
window_add(struct window *w, const struct window_row *row)
{
	const struct window_key key = window_key_of(row);
	struct window_entry    *e, *last = w->ready.last;
	struct window_key       evicted;

	if (w->ready.n >= WINDOW_MAX) {
		if (row_compare(row, &last->row) > 0) {
			window_outside_at(w, &key);
			return;
		}
		evicted = window_key_of(&last->row);
		drop_ready(w, last);
		window_outside_at(w, &evicted);
	}
	e = entry_new(w, row);
	if (e == NULL) {
		window_outside_at(w, &key);
		return;
	}
	e->row.lease.token = 0;
	insert_ready(w, e);
}

struct window_entry *
window_admit(struct window *w, const struct window_row *row)
{
	struct window_entry *e = entry_new(w, row);

	if (e == NULL)
		return NULL;
	if (!allows(w, e->destination)) {
		unindex_key(w, e);
		entry_free(w, e);
		return NULL;
	}
	e->row.lease.token = 0;
	insert_ready(w, e);
	return e;
}

void
window_offer(struct window *w, const struct window_row *row)
{
	const struct window_key key = window_key_of(row);

	if (window_key_compare(&key, &w->outside) < 0)
		window_add(w, row);
}

void
window_forget(struct window *w, const struct id *id, uint32_t recipient)
{
	struct window_entry *e, *next;

	w->outside_is_exact = false;
	if (recipient != STORE_ALL) {
		e = find(w, id, recipient);
		if (e && e->row.lease.token == 0)
			drop_ready(w, e);
		return;
	}
	for (e = w->ready.first; e; e = next) {
		next = e->next;
		if (id_equal(&e->row.lease.id, id))
			drop_ready(w, e);
	}
}

void
window_empty(struct window *w)
{
	while (w->ready.first)
		drop_ready(w, w->ready.first);
	w->outside = window_key_first();
	w->outside_is_exact = false;
}

/* ---- leases ---- */

static void
lease(struct window *w, struct window_entry *e, uint64_t token)
{
	e->row.lease.token = token;
	list_insert(&w->leased, NULL, e);
	index_token(w, e);
}

void
window_take(struct window *w, struct window_entry *e, uint64_t token)
{
	list_remove(&w->ready, e);
	lease(w, e, token);
}

bool
window_begin(struct window *w, const struct window_row *row, uint64_t token)
{
	struct window_entry *e = entry_new(w, row);

	if (e == NULL)
		return false;
	e->is_begun = true;
	lease(w, e, token);
	return true;
}

struct window_entry *
window_leased(struct window *w, uint64_t token)
{
	struct window_entry *e = w->by_token[token % WINDOW_BUCKETS];

	while (e && e->row.lease.token != token)
		e = e->next_by_token;
	return e && !e->is_begun ? e : NULL;
}

static void
unlease(struct window *w, struct window_entry *e)
{
	list_remove(&w->leased, e);
	unindex_token(w, e);
	unindex_key(w, e);
}

void
window_end(struct window *w, struct window_entry *e)
{
	unlease(w, e);
	list_insert(&w->ended, NULL, e);
}

static void
free_ended(struct window *w)
{
	struct window_entry *e;

	while ((e = w->ended.first) != NULL) {
		list_remove(&w->ended, e);
		entry_free(w, e);
	}
}

/* Those that the transaction began are the newest, in front of all others. */
void
window_keep(struct window *w)
{
	struct window_entry *e;

	for (e = w->leased.first; e && e->is_begun; e = e->next)
		e->is_begun = false;
	free_ended(w);
}

void
window_undo(struct window *w)
{
	struct window_entry *e;

	window_empty(w);
	while ((e = w->leased.first) != NULL && e->is_begun) {
		unlease(w, e);
		entry_free(w, e);
	}
	while ((e = w->ended.first) != NULL) {
		list_remove(&w->ended, e);
		index_key(w, e);
		lease(w, e, e->row.lease.token);
	}
}

void
window_finish(struct window *w)
{
	struct window_entry *e;

	window_empty(w);
	free_ended(w);
	while ((e = w->leased.first) != NULL) {
		unlease(w, e);
		entry_free(w, e);
	}
}
