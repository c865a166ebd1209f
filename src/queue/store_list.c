/* What can be read: rows, figures, bodies. */
#include <unistd.h>

#include "io/memfile.h"
#include "queue/body_file.h"
#include "queue/store_inside.h"

/* ---- bodies ---- */

bool
store_body_number(
    struct store *s, const struct id *id, int64_t *body, uint64_t *size_bytes)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_MESSAGE_BODY);

	sql_bind_id(st, 1, id);
	if (!database_row(&s->database, st))
		return false;
	*body = (int64_t)sql_number(st, 0);
	*size_bytes = sql_number(st, 1);
	database_enough(st);
	return true;
}

int
store_body_open(struct store *s, int64_t body)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_BODY_OF);
	struct id     file;
	int           fd;

	sql_bind_number(st, 1, (uint64_t)body);
	if (!database_row(&s->database, st))
		return -1;
	if (sql_id(st, 0, &file))
		fd = body_file_open(s->bodies, &file);
	else
		fd = memfile_of("body", sql_bytes(st, 1));
	database_enough(st);
	return fd;
}

int
store_body(struct store *s, const struct id *id)
{
	int      fd = body_cache_get(&s->cache, id);
	int64_t  body;
	uint64_t size_bytes;

	if (fd != -1)
		return fd;
	s->database.failed = false;
	if (!store_body_number(s, id, &body, &size_bytes))
		return -1;
	return store_body_open(s, body);
}

/* ---- figures ---- */

static uint64_t
count(struct store *s, enum sql which)
{
	sqlite3_stmt *st = database_use(&s->database, which);
	uint64_t      n;

	if (!database_row(&s->database, st))
		return 0;
	n = sql_number(st, 0);
	database_enough(st);
	return n;
}

void
store_stats(struct store *s, struct store_stats *out)
{
	struct store_totals *t = &s->totals;

	if (!t->known) {
		s->database.failed = false;
		t->messages = count(s, SQL_COUNT_MESSAGES);
		t->queued = count(s, SQL_COUNT_QUEUED);
		t->held = count(s, SQL_COUNT_HELD);
		t->known = !s->database.failed;
	}
	*out = (struct store_stats){ .messages = t->messages,
		.leased = s->window.leased.n,
		.held = t->held };
	if (t->queued > out->leased)
		out->queued = t->queued - out->leased;
}

/* ---- rows ---- */

/* In the order of the columns of SQL_LIST. False: damage, or the arena is full. */
static bool
read_row(struct store *s, sqlite3_stmt *st, struct arena *arena,
    struct store_row *out)
{
	*out = (struct store_row){ .recipient = (uint32_t)sql_number(st, 1),
		.arrival_ms = sql_number(st, 2),
		.size_bytes = sql_number(st, 3),
		.reverse_path = arena_copy(arena, sql_bytes(st, 4)),
		.address = arena_copy(arena, sql_bytes(st, 5)),
		.state = sql_number(st, 6) == ROW_IS_HELD ? STORE_HELD :
		                                            STORE_QUEUED,
		.due_ms = sql_number(st, 7),
		.attempts = (uint32_t)sql_number(st, 8),
		.text = arena_copy(arena, sql_bytes(st, 9)) };
	if (!sql_id(st, 0, &out->id) || !out->reverse_path.p ||
	    !out->address.p || !out->text.p)
		return false;
	if (window_is_leased(&s->window, &out->id, out->recipient))
		out->state = STORE_LEASED;
	return true;
}

size_t
store_list(struct store *s, const struct store_row *after, struct arena *arena,
    struct store_row *out, size_t max)
{
	static const struct id first;
	sqlite3_stmt          *st = database_use(&s->database, SQL_LIST);
	size_t                 n = 0;

	s->database.failed = false;
	sql_bind_id(st, 1, after ? &after->id : &first);
	/* In front of number 0 is -1. */
	sqlite3_bind_int64(st, 2, after ? (sqlite3_int64)after->recipient : -1);
	sql_bind_number(st, 3, max);
	while (n < max && database_row(&s->database, st)) {
		if (!read_row(s, st, arena, &out[n]))
			break;
		n++;
	}
	database_enough(st);
	return n;
}
