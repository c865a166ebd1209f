#include "queue/window.h"

#include <stdlib.h>
#include <string.h>

bool
window_init(struct window *w, uint64_t seed)
{
	*w = (struct window){ .searched = window_key_first() };
	/* An entry more is there while another makes room for it. */
	return destinations_init(
	    &w->destinations, WINDOW_MAX + WINDOW_BEHIND + 2, seed);
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

struct bytes *
window_view(struct store_lease *lease, size_t i)
{
	struct bytes *const views[WINDOW_VIEWS] = { &lease->address,
		&lease->original, &lease->reverse_path, &lease->orcpt,
		&lease->envid };

	return views[i];
}

static size_t
size_of_views(const struct window_row *row)
{
	struct store_lease lease = row->lease;
	size_t             n = 0;

	for (size_t i = 0; i < WINDOW_VIEWS; i++)
		n += window_view(&lease, i)->n;
	return n;
}

/* A copy of the row, in no list yet. NULL: no memory. */
static struct window_entry *
entry_new(struct window *w, const struct window_row *row)
{
	struct window_entry *e = malloc(sizeof *e + size_of_views(row));
	char                *at;

	if (e == NULL)
		return NULL;
	*e = (struct window_entry){ .row = *row };
	at = e->text;
	for (size_t i = 0; i < WINDOW_VIEWS; i++) {
		struct bytes *view = window_view(&e->row.lease, i);

		*view = put_text(&at, *view);
	}
	e->row.lease.token = 0;
	e->destination = destination_use(
	    &w->destinations, destination_of(row->lease.address));
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
	destination_unuse(&w->destinations, e->destination);
	free(e);
}

bool
window_has(struct window *w, const struct id *id, uint32_t recipient)
{
	return find(w, id, recipient) != NULL;
}

bool
window_is_behind(struct window *w, const struct id *id, uint32_t recipient)
{
	const struct window_entry *e = find(w, id, recipient);

	return e != NULL && e->is_behind;
}

bool
window_is_leased(struct window *w, const struct id *id, uint32_t recipient)
{
	const struct window_entry *e = find(w, id, recipient);

	return e != NULL && e->row.lease.token != 0;
}

/* ---- ready, behind ---- */

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

/* What a destination misses must be searched for when nothing as old is known. */
static void
look_for_missing(struct window *w, struct destination *d)
{
	if (d->missing_ms == UINT64_MAX ||
	    (d->first && d->first->row.due_ms <= d->missing_ms))
		return;
	d->missing_ms = UINT64_MAX;
	w->search_again = true;
}

static void
miss(struct destination *d, const struct window_row *row)
{
	if (row->due_ms < d->missing_ms)
		d->missing_ms = row->due_ms;
}

/* Out of ready or behind. */
static void
leave(struct window *w, struct window_entry *e)
{
	list_remove(e->is_behind ? &w->behind : &w->ready, e);
	e->is_behind = false;
	destination_remove(&w->destinations, e);
	look_for_missing(w, e->destination);
}

static void
drop(struct window *w, struct window_entry *e)
{
	leave(w, e);
	unindex_key(w, e);
	entry_free(w, e);
}

/* Its row stays in the table, behind `outside`. */
static void
let_go(struct window *w, struct window_entry *e)
{
	miss(e->destination, &e->row);
	drop(w, e);
}

static void
list_behind(struct window *w, struct window_entry *e)
{
	e->is_behind = true;
	list_insert(&w->behind, w->behind.last, e);
	if (w->behind.n > WINDOW_BEHIND)
		let_go(w, w->behind.first);
}

/* Of a destination that has its share, only what is older than the last. */
static void
keep_behind(struct window *w, const struct window_row *row)
{
	struct window_entry *e = entry_new(w, row);
	struct destination  *d;

	if (e == NULL) {
		w->search_again = true;
		return;
	}
	d = e->destination;
	if (d->n >= WINDOW_SHARE && row->due_ms >= d->last->row.due_ms) {
		miss(d, row);
		unindex_key(w, e);
		entry_free(w, e);
		return;
	}
	destination_add(&w->destinations, e);
	if (d->n > WINDOW_SHARE && d->last->is_behind)
		let_go(w, d->last);
	list_behind(w, e);
}

void
window_stop_at(struct window *w, const struct window_key *key)
{
	if (window_key_compare(key, &w->outside) >= 0)
		return;
	w->outside = *key;
	w->outside_is_exact = true;
}

void
window_outside_at(struct window *w, const struct window_key *key)
{
	window_stop_at(w, key);
	if (window_key_compare(key, &w->searched) < 0)
		w->searched = *key;
}

/* The one that is due last makes room. */
static void
push_out(struct window *w, struct window_entry *e)
{
	const struct window_key key = window_key_of(&e->row);

	window_stop_at(w, &key);
	if (e->destination->n > WINDOW_SHARE) {
		let_go(w, e);
		return;
	}
	list_remove(&w->ready, e);
	list_behind(w, e);
}

void
window_add(struct window *w, const struct window_row *row)
{
	const struct window_key key = window_key_of(row);
	struct window_entry    *e =
	    find(w, &row->lease.id, row->lease.recipient);

	if (e) {
		list_remove(&w->behind, e);
		e->is_behind = false;
	} else {
		e = entry_new(w, row);
		if (e == NULL) {
			window_outside_at(w, &key);
			return;
		}
		destination_add(&w->destinations, e);
	}
	insert_ready(w, e);
	if (w->ready.n > WINDOW_MAX)
		push_out(w, w->ready.last);
}

void
window_offer(struct window *w, const struct window_row *row)
{
	const struct window_key key = window_key_of(row);

	if (window_key_compare(&key, &w->outside) < 0)
		window_add(w, row);
	else
		keep_behind(w, row);
}

static void
forget_in(struct window *w, struct window_list *list, const struct id *id)
{
	struct window_entry *e, *next;

	for (e = list->first; e; e = next) {
		next = e->next;
		if (id_equal(&e->row.lease.id, id))
			drop(w, e);
	}
}

void
window_forget(struct window *w, const struct id *id, uint32_t recipient)
{
	struct window_entry *e;

	w->outside_is_exact = false;
	if (recipient == STORE_ALL) {
		forget_in(w, &w->ready, id);
		forget_in(w, &w->behind, id);
		return;
	}
	e = find(w, id, recipient);
	if (e && e->row.lease.token == 0)
		drop(w, e);
}

void
window_empty(struct window *w)
{
	while (w->ready.first)
		drop(w, w->ready.first);
	while (w->behind.first)
		drop(w, w->behind.first);
	w->outside = window_key_first();
	w->outside_is_exact = false;
	w->searched = window_key_first();
	w->search_again = false;
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
window_limit(struct window *w, const struct store_want *want)
{
	destinations_limit(&w->destinations, want);
}

struct window_entry *
window_first(struct window *w)
{
	return destinations_first(&w->destinations);
}

void
window_take(struct window *w, struct window_entry *e, uint64_t token)
{
	leave(w, e);
	destination_count(e->destination);
	lease(w, e, token);
}

bool
window_allows(struct window *w, struct bytes address)
{
	struct destination *d =
	    destination_use(&w->destinations, destination_of(address));
	bool allows;

	if (d == NULL)
		return false;
	allows = destination_allows(&w->destinations, d);
	destination_unuse(&w->destinations, d);
	return allows;
}

bool
window_admit(struct window *w, const struct window_row *row, uint64_t token)
{
	struct window_entry *e = entry_new(w, row);

	if (e == NULL)
		return false;
	if (destination_allows(&w->destinations, e->destination))
		destination_count(e->destination);
	lease(w, e, token);
	return true;
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
	destinations_finish(&w->destinations);
}
