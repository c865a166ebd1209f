/*
 * Leases. What PUT has just stored is usually in the window; when the table holds
 * more that is due, the window is filled from it, in the order of dues, from
 * `outside` on. Nothing is read twice on the way. When the window is full of what is
 * at its limit, others pass by: first those behind it that are known, then those that
 * a search of the table finds.
 */
#include "queue/store_inside.h"

enum {
	FILL = WINDOW_MAX / 8 + 1, /* rows that one filling takes */
	SEARCH_MAX = 1024, /* rows that one search looks at */
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
		.body = (int64_t)sql_number(st, 12) };
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
	lease->is_alone = sql_number(st, 13) == 1 && !lease->is_expanded;
	lease->is_warned = sql_number(st, 14) != 0;
	lease->notify = (uint8_t)sql_number(st, 15);
	lease->orcpt = sql_bytes(st, 16);
	lease->ret = (enum envelope_ret)sql_number(st, 17);
	lease->envid = sql_bytes(st, 18);
	lease->body = (enum envelope_body)sql_number(st, 19);
	lease->smtputf8 = sql_number(st, 20) != 0;
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

/* Ready or leased. */
static bool
is_inside(struct window *w, const struct window_row *row)
{
	return window_has(w, &row->lease.id, row->lease.recipient) &&
	    !window_is_behind(w, &row->lease.id, row->lease.recipient);
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
		if (!read_row(s, st, &row) || is_inside(w, &row))
			continue;
		key = window_key_of(&row);
		if (key.due_ms > now_ms || n == max ||
		    window_key_compare(&key, &w->outside) > 0) {
			window_stop_at(w, &key);
			database_enough(st);
			return;
		}
		window_add(w, &row);
		n++;
	}
	if (s->database.failed) {
		window_stop_at(w, &from);
		w->outside_is_exact = false;
	}
}

/* ---- from the window ---- */

static uint64_t
next_token(struct store *s)
{
	return s->life << 32 | (++s->tokens & UINT32_MAX);
}

/* False: no room in the arena. */
static bool
copy_lease(struct arena *arena, const struct store_lease *from,
    struct store_lease *out)
{
	*out = *from;
	for (size_t i = 0; i < WINDOW_VIEWS; i++) {
		struct bytes *view = window_view(out, i);

		if (view->n > 0)
			*view = arena_copy(arena, *view);
		if (view->p == NULL)
			return false;
	}
	return true;
}

/* What one call may do. */
struct pass {
	uint64_t            now_ms;
	struct arena       *arena;
	struct store_lease *out;
	size_t              n, max;
};

static bool
is_in_front(const struct window_entry *e, const struct window_key *key)
{
	const struct window_key own = window_key_of(&e->row);

	return window_key_compare(&own, key) < 0;
}

/* Those in the window that are in front of `end`. */
static void
take_from_window(
    struct store *s, struct pass *pass, const struct window_key *end)
{
	struct window       *w = &s->window;
	struct store_lease  *out;
	struct window_entry *e;

	while (pass->n < pass->max && (e = window_first(w)) != NULL) {
		out = &pass->out[pass->n];
		if (e->row.due_ms > pass->now_ms || !is_in_front(e, end) ||
		    !copy_lease(pass->arena, &e->row.lease, out))
			return;
		out->token = next_token(s);
		window_take(w, e, out->token);
		pass->n++;
	}
}

/* ---- behind a full window ---- */

/* A row that is due. False: there is no room for it in the arena. */
static bool
look_at(struct store *s, struct pass *pass, const struct window_row *row)
{
	struct window      *w = &s->window;
	struct store_lease *out = &pass->out[pass->n];

	if (window_has(w, &row->lease.id, row->lease.recipient))
		return true;
	if (!window_allows(w, row->lease.address)) {
		window_offer(w, row);
		return true;
	}
	if (!copy_lease(pass->arena, &row->lease, out))
		return false;
	out->token = next_token(s);
	if (window_admit(w, row, out->token))
		pass->n++;
	else
		w->search_again = true;
	return true;
}

/* From `searched` on, at most *rows. True at the end of what is due. */
static bool
search_on(struct store *s, struct pass *pass, size_t *rows)
{
	struct window    *w = &s->window;
	struct window_key from = w->searched; /* the statement looks at it */
	sqlite3_stmt     *st;
	struct window_row row;

	if (window_key_compare(&from, &w->outside) < 0)
		from = w->outside;
	st = due_from(s, &from);
	while (database_row(&s->database, st)) {
		if (!read_row(s, st, &row))
			continue;
		w->searched = window_key_of(&row);
		if (row.due_ms > pass->now_ms) {
			database_enough(st);
			return true;
		}
		if (*rows == 0 || pass->n == pass->max ||
		    !look_at(s, pass, &row)) {
			database_enough(st);
			return false;
		}
		--*rows;
	}
	if (s->database.failed)
		return false;
	w->searched = window_key_last();
	return true;
}

/*
 * A bounded piece of the table; the next call goes on where this one stopped. Most
 * often there is nothing to be searched, see queue/window.h.
 */
static void
search(struct store *s, struct pass *pass)
{
	struct window *w = &s->window;
	size_t         rows = SEARCH_MAX;

	for (;;) {
		if (w->searched.due_ms > pass->now_ms) {
			if (!w->search_again)
				return;
			w->search_again = false;
			w->searched = w->outside;
		}
		if (!search_on(s, pass, &rows))
			return;
	}
}

/* The window is full of what is at its limit. */
static void
pass_by(struct store *s, struct pass *pass)
{
	const struct window_key end = window_key_last();
	const size_t            before = pass->n;

	take_from_window(s, pass, &end);
	if (pass->n < pass->max)
		search(s, pass);
	if (pass->n > before)
		s->window.outside_is_exact = false;
}

/* ---- leases ---- */

static void
lease(struct store *s, struct pass *pass)
{
	struct window    *w = &s->window;
	struct window_key before;

	for (;;) {
		take_from_window(s, pass, &w->outside);
		if (pass->n == pass->max || w->outside.due_ms > pass->now_ms)
			return;
		if (w->ready.n >= WINDOW_MAX &&
		    is_in_front(w->ready.last, &w->outside)) {
			pass_by(s, pass);
			return;
		}
		before = w->outside;
		fill(s, pass->now_ms, FILL);
		/* an error, or no memory */
		if (window_key_compare(&before, &w->outside) == 0)
			return;
	}
}

size_t
store_lease(struct store *s, const struct store_want *want, struct arena *arena,
    struct store_lease *out, size_t max)
{
	const size_t room = STORE_LEASES_MAX - s->window.leased.n;
	struct pass  pass = { want->now_ms, arena, out, 0,
		 max < room ? max : room };

	s->database.failed = false;
	store_saw_time(s, want->now_ms);
	window_limit(&s->window, want);
	lease(s, &pass);
	window_limit(&s->window, NULL);
	return pass.n;
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

/* What is due soon goes into the window: it is leased without a SELECT. */
void
store_offer(struct store *s, const struct window_row *row)
{
	const struct window_key key = window_key_of(row);

	if (row->due_ms <= s->now_ms + 1000)
		window_offer(&s->window, row);
	else
		window_outside_at(&s->window, &key);
}

/* The row is there: it leaves the window for a lease, or stays outside. */
static enum store_result
extend_row(
    struct store *s, struct store_op *op, const struct window_row *row)
{
	const struct window_key key = window_key_of(row);

	op->extended = next_token(s);
	if (op->lease) {
		if (!copy_lease(op->arena, &row->lease, op->lease))
			return STORE_UNKNOWN;
		op->lease->token = op->extended;
	}
	window_forget(&s->window, &op->id, op->recipient);
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
