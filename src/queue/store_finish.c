/*
 * FINISH, and how a message goes. The lease names a row that is there: while it is
 * out, nothing else touches the row.
 */
#include <string.h>

#include "proto/envelope_wire.h"
#include "queue/body_file.h"
#include "queue/store_inside.h"

enum { ENVELOPE_ARENA = 2 * ENVELOPE_WIRE_MAX };

/* ---- the end of a message ---- */

static void
run_with_number(struct store *s, enum sql which, int64_t number)
{
	sqlite3_stmt *st = database_use(&s->database, which);

	sql_bind_number(st, 1, (uint64_t)number);
	database_run(&s->database, st);
}

static uint64_t
run_with_id(struct store *s, enum sql which, const struct id *id)
{
	sqlite3_stmt *st = database_use(&s->database, which);

	sql_bind_id(st, 1, id);
	return database_run(&s->database, st);
}

/* A body that others use as well, or that is a file. */
static void
unuse_body(struct store *s, int64_t body)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_BODY_GET);
	uint64_t      uses;
	struct id     file;
	bool          is_file;

	sql_bind_number(st, 1, (uint64_t)body);
	if (!database_row(&s->database, st))
		return;
	uses = sql_number(st, 0);
	is_file = sql_id(st, 1, &file);
	database_enough(st);
	if (uses > 1) {
		run_with_number(s, SQL_BODY_UNUSE, body);
		return;
	}
	run_with_number(s, SQL_BODY_DROP, body);
	if (is_file)
		buf_add(&s->files_gone, &file, sizeof file);
}

void
store_end_message(struct store *s, const struct id *id, int64_t body)
{
	sqlite3_stmt *st;

	run_with_id(s, SQL_MESSAGE_DROP, id);
	if (run_with_id(s, SQL_EXPANSION_DROP, id) > 0)
		run_with_id(s, SQL_SEEN_DROP, id);
	st = database_use(&s->database, SQL_BODY_DROP_SMALL);
	sql_bind_number(st, 1, (uint64_t)body);
	if (database_run(&s->database, st) == 0)
		unuse_body(s, body);
	body_cache_drop(&s->cache, id);
	s->totals.messages--;
}

static bool
has_recipients(struct store *s, const struct id *id)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_RECIPIENT_ANY);
	bool          found;

	sql_bind_id(st, 1, id);
	found = database_row(&s->database, st);
	if (found)
		database_enough(st);
	return found;
}

void
store_end_if_empty(struct store *s, const struct id *id)
{
	int64_t  body;
	uint64_t size_bytes;

	if (!has_recipients(s, id) &&
	    store_body_number(s, id, &body, &size_bytes))
		store_end_message(s, id, body);
}

/* ---- outcomes ---- */

static void
run_with_row(struct store *s, sqlite3_stmt *st, const struct window_row *row)
{
	sql_bind_id(st, 1, &row->lease.id);
	sql_bind_number(st, 2, row->lease.recipient);
	database_run(&s->database, st);
}

static enum store_result
done(struct store *s, const struct window_row *row)
{
	run_with_row(s, database_use(&s->database, SQL_RECIPIENT_DROP), row);
	s->totals.queued--;
	if (row->lease.is_alone || !has_recipients(s, &row->lease.id))
		store_end_message(s, &row->lease.id, row->body);
	return STORE_DONE;
}

/* "4.2.2 mailbox full", "5.1.1 mx.example.net [192.0.2.1] said: 550 no such user" */
static struct bytes
text_of(struct store *s, const struct outcome *outcome)
{
	buf_clear(&s->text);
	if (outcome->status.class != 0) {
		status_add(&s->text, outcome->status);
		buf_add_char(&s->text, ' ');
	}
	if (outcome->host.n > 0) {
		buf_add_bytes(
		    &s->text, bytes_first(outcome->host, STORE_HOST_MAX));
		buf_add_string(&s->text, outcome->is_reply ? " said: " : ": ");
	}
	buf_add_bytes(&s->text, bytes_first(outcome->text, STORE_TEXT_MAX));
	return buf_bytes(&s->text);
}

static enum store_result
hold(struct store *s, const struct window_row *row,
    const struct store_finish *f)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_RECIPIENT_HOLD);

	sql_bind_number(st, 3, s->life);
	sql_bind_bytes(st, 4, text_of(s, &f->outcome));
	run_with_row(s, st, row);
	s->totals.queued--;
	s->totals.held++;
	return STORE_DONE;
}

static enum store_result
defer(struct store *s, const struct window_row *row,
    const struct store_finish *f)
{
	sqlite3_stmt     *st = database_use(&s->database, SQL_RECIPIENT_DEFER);
	struct window_key key = window_key_of(row);

	sql_bind_number(st, 3, f->due_ms);
	sql_bind_number(st, 4, s->life);
	sql_bind_bytes(st, 5, text_of(s, &f->outcome));
	sql_bind_number(st, 6, f->is_warned);
	run_with_row(s, st, row);
	key.due_ms = f->due_ms;
	window_outside_at(&s->window, &key);
	return STORE_DONE;
}

/* ---- expansion ---- */

/* True when the address is new to the message. */
static bool
see(struct store *s, const struct id *id, struct bytes address)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_SEEN_ADD);

	sql_bind_id(st, 1, id);
	sql_bind_bytes(st, 2, address);
	return database_run(&s->database, st) == 1;
}

/* Every address that the message came with is seen; *next is the next number. */
static bool
see_envelope(struct store *s, const struct id *id, uint64_t *next)
{
	sqlite3_stmt   *st = database_use(&s->database, SQL_MESSAGE_GET);
	struct arena    arena;
	struct envelope e;
	bool            read;

	sql_bind_id(st, 1, id);
	if (!database_row(&s->database, st))
		return false;
	arena_init(&arena, ENVELOPE_ARENA);
	read = envelope_read(sql_bytes(st, 0), &arena, &e);
	for (size_t i = 0; read && i < e.n_recipients; i++)
		see(s, id, e.recipients[i].address);
	*next = read ? e.n_recipients : 0;
	arena_finish(&arena);
	database_enough(st);
	return read;
}

static bool
begin_expansion(struct store *s, const struct id *id, uint64_t *next)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_EXPANSION_GET);

	sql_bind_id(st, 1, id);
	if (!database_row(&s->database, st))
		return see_envelope(s, id, next);
	*next = sql_number(st, 0);
	database_enough(st);
	return true;
}

static void
end_expansion(struct store *s, const struct id *id, uint64_t next)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_EXPANSION_SET);

	sql_bind_id(st, 1, id);
	sql_bind_number(st, 2, next);
	database_run(&s->database, st);
}

/* One more of the message, as `like` but for what r says. */
static void
add_expanded(struct store *s, const struct window_row *like, uint32_t number,
    const struct envelope_recipient *r, struct bytes own_path)
{
	struct window_row row = *like;

	row.lease.recipient = number;
	row.lease.address = r->address;
	row.lease.original = r->original;
	row.lease.notify = r->notify;
	row.lease.orcpt = r->orcpt;
	store_add_recipient(s,
	    &(struct store_new_recipient){ .id = &row.lease.id,
	        .number = number,
	        .recipient = r,
	        .due_ms = row.due_ms,
	        .is_expanded = true,
	        .reverse_path = own_path });
	store_offer(s, &row);
}

/* Those that come out of it keep its age. */
static struct window_row
expanded_row(const struct window_row *row, const struct store_finish *f)
{
	struct window_row like = *row;

	if (f->due_ms > like.due_ms)
		like.due_ms = f->due_ms;
	if (f->reverse_path.n > 0)
		like.lease.reverse_path = f->reverse_path;
	like.lease.token = 0;
	like.lease.attempts = 0;
	like.lease.repeated = false;
	like.lease.is_expanded = true;
	like.lease.is_alone = false;
	like.lease.is_warned = false;
	return like;
}

static enum store_result
expand(struct store *s, const struct window_row *row,
    const struct store_finish *f)
{
	const struct id        *id = &row->lease.id;
	const struct window_row like = expanded_row(row, f);
	struct bytes            own_path = f->reverse_path;
	uint64_t                next;

	if (row->lease.is_expanded)
		own_path = like.lease.reverse_path;
	if (!begin_expansion(s, id, &next)) {
		s->database.failed = true;
		return STORE_UNKNOWN;
	}
	for (size_t i = 0; i < f->n_expanded; i++)
		if (see(s, id, f->expanded[i].address))
			add_expanded(s, &like, (uint32_t)next++,
			    &f->expanded[i], own_path);
	end_expansion(s, id, next);
	run_with_row(s, database_use(&s->database, SQL_RECIPIENT_DROP), row);
	s->totals.queued--;
	if (!has_recipients(s, id))
		store_end_message(s, id, row->body);
	return STORE_DONE;
}

/* ---- FINISH ---- */

static bool
is_possible(struct store *s, const struct store_finish *f,
    const struct window_row *row)
{
	sqlite3_stmt *st;
	uint64_t      next = ENVELOPE_RECIPIENTS_MAX;

	if (!store_time_is_possible(f->due_ms))
		return false;
	if (f->outcome.kind != OUTCOME_EXPANDED)
		return true;
	if (f->n_expanded > ENVELOPE_RECIPIENTS_MAX)
		return false;
	st = database_use(&s->database, SQL_EXPANSION_GET);
	sql_bind_id(st, 1, &row->lease.id);
	if (database_row(&s->database, st)) {
		next = sql_number(st, 0);
		database_enough(st);
	}
	return next + f->n_expanded <= STORE_RECIPIENTS_MAX;
}

static enum store_result
finish(struct store *s, struct window_entry *e, const struct store_finish *f)
{
	const struct window_row *row = &e->row;

	window_end(&s->window, e);
	switch (f->outcome.kind) {
	case OUTCOME_DELIVERED:
		return done(s, row);
	case OUTCOME_FAILED:
		return f->hold ? hold(s, row, f) : done(s, row);
	case OUTCOME_EXPANDED:
		return expand(s, row, f);
	case OUTCOME_DEFERRED:
		break;
	}
	return defer(s, row, f);
}

static void
savepoint(struct store *s, enum sql which)
{
	database_run(&s->database, database_use(&s->database, which));
}

/* All that the outcome causes, or nothing. */
static enum store_result
put_caused(struct store *s, const struct store_finish *f)
{
	const size_t      n_files = s->files_made.len / sizeof(struct id);
	enum store_result result = STORE_DONE;

	savepoint(s, SQL_SAVEPOINT);
	for (size_t i = 0; i < f->n_caused && result == STORE_DONE; i++)
		result = store_put_message(s, &f->caused[i]);
	if (result != STORE_DONE && !s->database.failed) {
		savepoint(s, SQL_SAVEPOINT_UNDO);
		store_remove_files(s, &s->files_made, n_files);
		body_cache_finish(&s->cache);
		window_empty(&s->window);
		s->totals.known = false;
	}
	savepoint(s, SQL_SAVEPOINT_KEEP);
	return result;
}

enum store_result
store_finish_lease(struct store *s, const struct store_finish *f)
{
	struct window_entry *e = window_leased(&s->window, f->token);
	enum store_result    result = STORE_DONE;

	if (e == NULL)
		return STORE_STALE;
	if (!is_possible(s, f, &e->row))
		return STORE_REFUSED;
	if (f->n_caused > 0)
		result = put_caused(s, f);
	return result == STORE_DONE ? finish(s, e, f) : result;
}
