/*
 * Leases. What PUT has just stored is usually in the window; when the table holds
 * more that is due, the window is filled from it, in the order of dues, from
 * `outside` on. Nothing is read twice on the way.
 */
#include "queue/store_inside.h"

enum {
	FILL = WINDOW_MAX / 8 + 1, /* rows that one filling takes */
	SEARCH_MAX = 1024, /* rows that one call looks at behind a full window */
};

void
store_saw_time(struct store *s, uint64_t now_ms)
{
	if (now_ms > s->now_ms)
		s->now_ms = now_ms;
}

/* In the order of LEASE_COLUMNS. False: damage. */
static bool
read_row(struct store *s, sqlite3_stmt *st, struct window_row *out)
{
	struct store_lease *lease = &out->lease;

	*out = (struct window_row){ .due_ms = sql_number(st, 2),
		.body = (int64_t)sql_number(st, 12),
		.is_alone = sql_number(st, 13) == 1 };
	if (!sql_id(st, 0, &lease->id))
		return false;
	lease->recipient = (uint32_t)sql_number(st, 1);
	lease->attempts = (uint32_t)sql_number(st, 3);
	lease->repeated = sql_number(st, 4) != s->life;
	lease->is_expanded = sql_number(st, 5) != 0;
	lease->address = sql_bytes(st, 6);
	lease->original =
	    sql_is_null(st, 7) ? lease->address : sql_bytes(st, 7);
	lease->reverse_path = sql_bytes(st, 8);
	lease->arrival_ms = sql_number(st, 9);
	lease->size_bytes = sql_number(st, 10);
	lease->colour = (enum colour)sql_number(st, 11);
	return true;
}

static sqlite3_stmt *
due_from(struct store *s, const struct window_key *key)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_DUE);

	sql_bind_number(st, 1,
	    store_time_is_possible(key->due_ms) ? key->due_ms : INT64_MAX);
	sql_bind_id(st, 2, &key->id);
	sql_bind_number(st, 3, key->recipient);
	return st;
}

/*
 * Take up to max rows that are due into the window; `outside` then stands at the
 * first that was not taken.
 */
static void
fill(struct store *s, uint64_t now_ms, size_t max)
{
	struct window          *w = &s->window;
	const struct window_key from = w->outside;
	sqlite3_stmt           *st = due_from(s, &from);
	struct window_row       row;
	struct window_key       key;
	size_t                  n = 0;

	w->outside = window_key_last();
	w->outside_is_exact = true;
	while (database_row(&s->database, st)) {
		if (!read_row(s, st, &row) ||
		    window_has(w, &row.lease.id, row.lease.recipient))
			continue;
		key = window_key_of(&row);
		if (key.due_ms > now_ms || n == max ||
		    window_key_compare(&key, &w->outside) > 0) {
			window_outside_at(w, &key);
			database_enough(st);
			return;
		}
		window_add(w, &row);
		n++;
	}
	if (s->database.failed) {
		window_outside_at(w, &from);
		w->outside_is_exact = false;
	}
}

static uint64_t
next_token(struct store *s)
{
	return s->life << 32 | (++s->tokens & UINT32_MAX);
}

/* False: no room in the arena; the entry stays ready. */
static bool
take(struct store *s, struct window_entry *e, struct arena *arena,
    struct store_lease *out)
{
	const struct store_lease *from = &e->row.lease;

	*out = *from;
	out->address = arena_copy(arena, from->address);
	out->original = arena_copy(arena, from->original);
	out->reverse_path = arena_copy(arena, from->reverse_path);
	if (!out->address.p || !out->original.p || !out->reverse_path.p)
		return false;
	out->token = next_token(s);
	window_take(&s->window, e, out->token);
	return true;
}

static bool
is_behind(const struct window_entry *e, const struct window_key *key)
{
	const struct window_key own = window_key_of(&e->row);

	return window_key_compare(&own, key) > 0;
}

/* Not those behind `outside`: there are older ones in the table. */
static size_t
take_ready(struct store *s, uint64_t now_ms, struct arena *arena,
    struct store_lease *out, size_t max)
{
	struct window       *w = &s->window;
	struct window_entry *e, *next;
	size_t               n = 0;

	for (e = w->ready.first; e && n < max && e->row.due_ms <= now_ms &&
	     !is_behind(e, &w->outside);
	     e = next) {
		next = e->next;
		if (!window_allows(w, e))
			continue;
		if (!take(s, e, arena, &out[n]))
			break;
		n++;
	}
	return n;
}

/* What one call may do. */
struct search {
	uint64_t            now_ms;
	struct arena       *arena;
	struct store_lease *out;
	size_t              n, max;
	size_t              rows_left;
};

/* From s->search on. True at the end of what is due. */
static bool
search_on(struct store *s, struct search *search)
{
	struct window       *w = &s->window;
	sqlite3_stmt        *st = due_from(s, &s->search);
	struct window_entry *e;
	struct window_row    row;

	while (database_row(&s->database, st)) {
		if (!read_row(s, st, &row))
			continue;
		if (row.due_ms > search->now_ms)
			break;
		s->search = window_key_of(&row);
		if (search->rows_left == 0 || search->n == search->max)
			goto enough;
		search->rows_left--;
		if (window_has(w, &row.lease.id, row.lease.recipient))
			continue;
		e = window_admit(w, &row);
		if (e == NULL)
			continue;
		if (!take(s, e, search->arena, &search->out[search->n]))
			goto enough;
		search->n++;
	}
	database_enough(st);
	return true;
enough:
	database_enough(st);
	return false;
}

/*
 * The window is full of what is at its limit. Look for others behind it, a bounded
 * piece of the table at a time; the next call goes on where this one stopped, and from
 * the end back to the beginning.
 */
static size_t
search(struct store *s, uint64_t now_ms, struct arena *arena,
    struct store_lease *out, size_t max)
{
	struct search           here = { now_ms, arena, out, 0, max, SEARCH_MAX };
	const struct window_key from = s->search;

	s->window.outside_is_exact = false;
	if (window_key_compare(&from, &s->window.outside) > 0) {
		if (!search_on(s, &here))
			return here.n;
	}
	s->search = s->window.outside;
	search_on(s, &here);
	return here.n;
}

static size_t
lease(struct store *s, const struct store_want *want, struct arena *arena,
    struct store_lease *out, size_t max)
{
	struct window    *w = &s->window;
	struct window_key before;
	size_t            n = 0;

	for (;;) {
		n += take_ready(s, want->now_ms, arena, out + n, max - n);
		if (n == max || w->outside.due_ms > want->now_ms)
			return n;
		if (w->ready.n >= WINDOW_MAX &&
		    !is_behind(w->ready.last, &w->outside))
			return n +
			    search(s, want->now_ms, arena, out + n, max - n);
		before = w->outside;
		fill(s, want->now_ms, FILL);
		/* an error, or no memory */
		if (window_key_compare(&before, &w->outside) == 0)
			return n;
	}
}

size_t
store_lease(struct store *s, const struct store_want *want, struct arena *arena,
    struct store_lease *out, size_t max)
{
	const size_t room = STORE_LEASES_MAX - s->window.leased.n;
	size_t       n;

	s->database.failed = false;
	store_saw_time(s, want->now_ms);
	window_limit(&s->window, want);
	n = lease(s, want, arena, out, max < room ? max : room);
	window_limit(&s->window, NULL);
	return n;
}

uint64_t
store_next_due(struct store *s)
{
	const struct window *w = &s->window;
	uint64_t             due_ms;

	s->database.failed = false;
	if (!w->outside_is_exact)
		fill(s, 0, 0);
	due_ms = w->outside.due_ms;
	if (w->ready.first && w->ready.first->row.due_ms < due_ms)
		due_ms = w->ready.first->row.due_ms;
	return due_ms;
}

/* The row is there: it leaves the window for a lease, or stays outside. */
static enum store_result
extend_row(
    struct store *s, struct store_op *op, const struct window_row *row)
{
	const struct window_key key = window_key_of(row);

	window_forget(&s->window, &op->id, op->recipient);
	op->extended = next_token(s);
	if (window_begin(&s->window, row, op->extended))
		return STORE_DONE;
	window_outside_at(&s->window, &key);
	return STORE_UNKNOWN;
}

enum store_result
store_extend(struct store *s, struct store_op *op)
{
	sqlite3_stmt     *st = database_use(&s->database, SQL_ONE);
	struct window_row row;
	enum store_result result = STORE_UNKNOWN;

	if (window_is_leased(&s->window, &op->id, op->recipient))
		return STORE_STALE;
	if (s->window.leased.n >= STORE_LEASES_MAX)
		return STORE_REFUSED;
	sql_bind_id(st, 1, &op->id);
	sql_bind_number(st, 2, op->recipient);
	if (!database_row(&s->database, st))
		return STORE_STALE;
	if (read_row(s, st, &row))
		result = extend_row(s, op, &row);
	database_enough(st);
	return result;
}

enum store_result
store_release(struct store *s, const struct store_op *op)
{
	struct window_entry *e = window_leased(&s->window, op->token);
	struct window_row    row;
	sqlite3_stmt        *st;

	if (e == NULL)
		return STORE_STALE;
	if (op->attempted) {
		st = database_use(&s->database, SQL_RECIPIENT_ATTEMPTED);
		sql_bind_id(st, 1, &e->row.lease.id);
		sql_bind_number(st, 2, e->row.lease.recipient);
		database_run(&s->database, st);
	}
	row = e->row;
	row.lease.repeated |= op->attempted;
	window_end(&s->window, e);
	window_offer(&s->window, &row);
	return STORE_DONE;
}
