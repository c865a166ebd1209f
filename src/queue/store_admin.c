/*
 * What the administrator does to a message: its recipients that are not leased, all
 * or one. STALE when there is none.
 */
#include <string.h>

#include "queue/store_inside.h"

/* Run on the free recipients that op names. The number of changed rows. */
static uint64_t
run_on_free(struct store *s, enum sql which, const struct store_op *op)
{
	const bool    all = op->recipient == STORE_ALL;
	sqlite3_stmt *st = database_use(&s->database, which);

	sql_bind_id(st, 1, &op->id);
	sql_bind_number(st, 2, all ? 0 : op->recipient);
	sql_bind_number(st, 3, op->recipient);
	if (which == SQL_KICK_QUEUED || which == SQL_KICK_HELD)
		sql_bind_number(st, 4, op->now_ms);
	return database_run(&s->database, st);
}

/* Whether there is any, also when nothing had to be changed. */
static bool
is_any_free(struct store *s, const struct store_op *op)
{
	const bool    all = op->recipient == STORE_ALL;
	sqlite3_stmt *st = database_use(&s->database, SQL_RECIPIENT_ANY_FREE);
	bool          found;

	sql_bind_id(st, 1, &op->id);
	sql_bind_number(st, 2, all ? 0 : op->recipient);
	sql_bind_number(st, 3, op->recipient);
	found = database_row(&s->database, st);
	if (found)
		database_enough(st);
	return found;
}

enum store_result
store_hold(struct store *s, const struct store_op *op)
{
	uint64_t n = run_on_free(s, SQL_HOLD, op);

	s->totals.queued -= n;
	s->totals.held += n;
	window_forget(&s->window, &op->id, op->recipient);
	return n > 0 || is_any_free(s, op) ? STORE_DONE : STORE_STALE;
}

enum store_result
store_kick(struct store *s, const struct store_op *op)
{
	const struct window_key key = { .due_ms = op->now_ms };
	uint64_t                queued, held;

	if (!store_time_is_possible(op->now_ms))
		return STORE_REFUSED;
	window_forget(&s->window, &op->id, op->recipient);
	queued = run_on_free(s, SQL_KICK_QUEUED, op);
	held = run_on_free(s, SQL_KICK_HELD, op);
	s->totals.queued += held;
	s->totals.held -= held;
	if (queued + held == 0)
		return STORE_STALE;
	window_outside_at(&s->window, &key);
	s->window.outside_is_exact = false;
	return STORE_DONE;
}

enum store_result
store_kick_all(struct store *s, struct store_op *op)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_KICK_ALL);

	if (!store_time_is_possible(op->now_ms))
		return STORE_REFUSED;
	sql_bind_number(st, 1, op->now_ms);
	op->kicked = database_run(&s->database, st);
	window_empty(&s->window);
	return op->kicked > 0 ? STORE_DONE : STORE_STALE;
}

enum store_result
store_remove(struct store *s, const struct store_op *op)
{
	uint64_t queued = run_on_free(s, SQL_REMOVE_QUEUED, op);
	uint64_t held = run_on_free(s, SQL_REMOVE_HELD, op);

	s->totals.queued -= queued;
	s->totals.held -= held;
	window_forget(&s->window, &op->id, op->recipient);
	if (queued + held == 0)
		return STORE_STALE;
	store_end_if_empty(s, &op->id);
	return STORE_DONE;
}

/* ---- is_leased(id, recipient) ---- */

static void
is_leased(sqlite3_context *context, int n, sqlite3_value **values)
{
	struct store *s = sqlite3_user_data(context);
	const void   *p = sqlite3_value_blob(values[0]);
	struct id     id;

	(void)n;
	if (p == NULL || sqlite3_value_bytes(values[0]) != ID_BITS) {
		sqlite3_result_int(context, 0);
		return;
	}
	memcpy(id.bits, p, ID_BITS);
	sqlite3_result_int(context,
	    window_is_leased(&s->window, &id,
	        (uint32_t)sqlite3_value_int64(values[1])));
}

bool
store_add_functions(struct store *s)
{
	return sqlite3_create_function(s->database.sqlite, "is_leased", 2,
	           SQLITE_UTF8 | SQLITE_DIRECTONLY, s, is_leased, NULL,
	           NULL) == SQLITE_OK;
}
