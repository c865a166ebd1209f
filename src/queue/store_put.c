/*
 * PUT. Everything that can be refused is looked at before the first write, so that
 * no savepoint is needed: after the row of the message, only errors of the disk are
 * left.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/memfile.h"
#include "proto/envelope_wire.h"
#include "queue/body_file.h"
#include "queue/store_inside.h"

/* Where the body of a PUT comes from. */
struct source {
	enum { SMALL, LARGE, STORED } kind;
	int64_t   number; /* STORED: the row that has it; else the new row */
	uint64_t  size_bytes;
	bool      is_sealed;
	/* LARGE: the name of the file. Not the message's id: that may come again while
	 * another message still uses the file. */
	struct id file;
};

bool
store_time_is_possible(uint64_t ms)
{
	return ms <= INT64_MAX;
}

static bool
is_possible(const struct store_put *put)
{
	const struct envelope *e = put->envelope;

	return e->n_recipients > 0 &&
	    e->n_recipients <= ENVELOPE_RECIPIENTS_MAX &&
	    store_time_is_possible(put->due_ms) &&
	    store_time_is_possible(e->arrival_ms) && e->size_bytes <= INT64_MAX;
}

/* ---- the same message once more ---- */

/* Read whole, at most n bytes; false on an error or the end. */
static bool
read_at(int fd, char *p, size_t n, uint64_t offset)
{
	while (n > 0) {
		ssize_t got = pread(fd, p, n, (off_t)offset);

		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
		offset += (uint64_t)got;
	}
	return true;
}

static bool
are_equal(int a, int b, uint64_t size_bytes)
{
	char   block_a[4096], block_b[sizeof block_a];
	size_t n;

	for (uint64_t at = 0; at < size_bytes; at += n) {
		n = sizeof block_a;
		if (n > size_bytes - at)
			n = (size_t)(size_bytes - at);
		if (!read_at(a, block_a, n, at) || !read_at(b, block_b, n, at) ||
		    memcmp(block_a, block_b, n) != 0)
			return false;
	}
	return true;
}

/* A reused body is not compared: where it came from may be gone. */
static bool
has_body(struct store *s, const struct store_put *put, int64_t body)
{
	uint64_t size_bytes;
	int      stored;
	bool     equal;

	if (put->reuse_body)
		return true;
	if (memfile_check(put->body, UINT64_MAX, &size_bytes) == MEMFILE_BAD ||
	    size_bytes != put->envelope->size_bytes)
		return false;
	stored = store_body_open(s, body);
	if (stored == -1)
		return false;
	equal = are_equal(put->body, stored, size_bytes);
	close(stored);
	return equal;
}

/* Whether the message is there; *same when nothing in it differs from put. */
static bool
is_there(struct store *s, const struct store_put *put, bool *same)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_MESSAGE_GET);
	int64_t       body;

	sql_bind_id(st, 1, &put->envelope->id);
	if (!database_row(&s->database, st))
		return false;
	*same = bytes_equal(sql_bytes(st, 0), buf_bytes(&s->wire));
	body = (int64_t)sql_number(st, 1);
	database_enough(st);
	if (*same)
		*same = has_body(s, put, body);
	return true;
}

static enum store_result
again(struct store *s, const struct store_put *put)
{
	bool same = false;

	return is_there(s, put, &same) && same ? STORE_DONE : STORE_REFUSED;
}

/* ---- the body ---- */

static enum store_result
load_stored(struct store *s, const struct id *id, struct source *source)
{
	source->kind = STORED;
	if (!store_body_number(s, id, &source->number, &source->size_bytes))
		return STORE_REFUSED;
	return STORE_DONE;
}

/* Small: it is read now, since later nothing may fail. */
static enum store_result
load_small(struct store *s, int fd, size_t size_bytes)
{
	char *room;

	buf_clear(&s->body);
	if (size_bytes == 0)
		return STORE_DONE;
	room = buf_room(&s->body, size_bytes);
	if (room == NULL || !read_at(fd, room, size_bytes, 0))
		return STORE_UNKNOWN;
	buf_grew(&s->body, size_bytes);
	return STORE_DONE;
}

static struct id
new_file_name(uint64_t arrival_ms)
{
	uint8_t random[ID_RANDOM];

	random_fill(random, sizeof random);
	return id_make(arrival_ms, random);
}

static enum store_result
load(struct store *s, const struct store_put *put, struct source *source)
{
	enum memfile_kind kind;

	if (put->reuse_body)
		return load_stored(s, put->reuse_body, source);
	kind = memfile_check(put->body, INT64_MAX, &source->size_bytes);
	if (kind == MEMFILE_BAD)
		return STORE_REFUSED;
	source->is_sealed = kind == MEMFILE_SEALED;
	source->kind = source->size_bytes > STORE_INLINE_BODY ? LARGE : SMALL;
	source->number = s->next_body++;
	if (source->kind == SMALL)
		return load_small(s, put->body, (size_t)source->size_bytes);
	source->file = new_file_name(put->envelope->arrival_ms);
	return STORE_DONE;
}

static void
add_body_row(struct store *s, const struct source *source)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_BODY_ADD);

	sql_bind_number(st, 1, (uint64_t)source->number);
	if (source->kind == LARGE) {
		sql_bind_id(st, 2, &source->file);
		sqlite3_bind_null(st, 3);
	} else {
		sqlite3_bind_null(st, 2);
		sql_bind_bytes(st, 3, buf_bytes(&s->body));
	}
	database_run(&s->database, st);
}

/* False: the file could not be written, and nothing of it is left. */
static bool
store_content(
    struct store *s, const struct store_put *put, const struct source *source)
{
	sqlite3_stmt *st;

	if (source->kind == STORED) {
		st = database_use(&s->database, SQL_BODY_REUSE);
		sql_bind_number(st, 1, (uint64_t)source->number);
		database_run(&s->database, st);
		return true;
	}
	if (source->kind == LARGE) {
		if (body_file_write(s->bodies, &source->file, put->body,
		        source->size_bytes) == -1)
			return false;
		buf_add(&s->files_made, &source->file, sizeof source->file);
	} else if (source->is_sealed) {
		body_cache_add(&s->cache, &put->envelope->id, put->body,
		    source->size_bytes);
	}
	add_body_row(s, source);
	return true;
}

/* ---- the recipients ---- */

void
store_add_recipient(struct store *s, const struct store_new_recipient *new)
{
	const struct envelope_recipient *r = new->recipient;
	sqlite3_stmt *st = database_use(&s->database, SQL_RECIPIENT_ADD);

	sql_bind_id(st, 1, new->id);
	sql_bind_number(st, 2, new->number);
	sql_bind_number(st, 3, new->due_ms);
	sql_bind_number(st, 4, s->life);
	sql_bind_number(st, 5, new->is_expanded);
	sql_bind_number(st, 6, r->notify);
	sql_bind_bytes(st, 7, r->address);
	if (bytes_equal(r->original, r->address))
		sqlite3_bind_null(st, 8);
	else
		sql_bind_bytes(st, 8, r->original);
	if (r->orcpt.n == 0)
		sqlite3_bind_null(st, 9);
	else
		sql_bind_bytes(st, 9, r->orcpt);
	if (new->reverse_path.n == 0)
		sqlite3_bind_null(st, 10);
	else
		sql_bind_bytes(st, 10, new->reverse_path);
	database_run(&s->database, st);
	s->totals.queued++;
}

static int
compare_recipients(const void *a, const void *b)
{
	const struct envelope_recipient *const *ra = a, *const *rb = b;
	int by_address = bytes_compare((*ra)->address, (*rb)->address);

	if (by_address != 0)
		return by_address;
	return (*ra > *rb) - (*ra < *rb);
}

/*
 * Which recipients have the address of an earlier one, as an array of n; NULL:
 * no memory. The caller's to free.
 */
static bool *
find_doubles(const struct envelope *e)
{
	const size_t                n = e->n_recipients;
	const struct envelope_recipient **sorted = malloc(n * sizeof *sorted);
	bool                       *is_double = calloc(n, sizeof *is_double);

	if (sorted == NULL || is_double == NULL) {
		free(sorted);
		free(is_double);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		sorted[i] = &e->recipients[i];
	qsort(sorted, n, sizeof *sorted, compare_recipients);
	for (size_t i = 1; i < n; i++)
		if (bytes_equal(sorted[i]->address, sorted[i - 1]->address))
			is_double[sorted[i] - e->recipients] = true;
	free(sorted);
	return is_double;
}

static void
offer(struct store *s, const struct store_put *put,
    const struct source *source, uint32_t number)
{
	const struct envelope           *e = put->envelope;
	const struct envelope_recipient *r = &e->recipients[number];
	const struct window_row          row = {
                 .lease = { .id = e->id,
		        .recipient = number,
		        .address = r->address,
		        .original = r->original,
		        .reverse_path = e->reverse_path,
		        .arrival_ms = e->arrival_ms,
		        .size_bytes = source->size_bytes,
		        .colour = e->verdict.colour,
		        .is_alone = e->n_recipients == 1,
		        .notify = r->notify,
		        .orcpt = r->orcpt,
		        .ret = e->ret,
		        .envid = e->envid,
		        .body = e->body,
		        .smtputf8 = e->smtputf8 },
                 .due_ms = put->due_ms,
                 .body = source->number,
	};

	store_offer(s, &row);
}

static void
add_recipients(struct store *s, const struct store_put *put,
    const struct source *source, const bool *is_double)
{
	const struct envelope *e = put->envelope;

	for (uint32_t i = 0; i < e->n_recipients; i++) {
		if (is_double && is_double[i])
			continue;
		store_add_recipient(s,
		    &(struct store_new_recipient){ .id = &e->id,
		        .number = i,
		        .recipient = &e->recipients[i],
		        .due_ms = put->due_ms });
		offer(s, put, source, i);
	}
}

/* ---- the message ---- */

static bool
add_message_row(
    struct store *s, const struct envelope *e, const struct source *source)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_MESSAGE_ADD);

	sql_bind_id(st, 1, &e->id);
	sql_bind_number(st, 2, e->arrival_ms);
	sql_bind_number(st, 3, e->size_bytes);
	sql_bind_number(st, 4, (uint64_t)source->number);
	sql_bind_number(st, 5, (uint64_t)e->verdict.colour);
	sql_bind_number(st, 6, e->n_recipients);
	sql_bind_bytes(st, 7, e->reverse_path);
	sql_bind_bytes(st, 8, buf_bytes(&s->wire));
	sql_bind_number(st, 9, (uint64_t)e->ret);
	if (e->envid.n == 0)
		sqlite3_bind_null(st, 10);
	else
		sql_bind_bytes(st, 10, e->envid);
	sql_bind_number(st, 11, (uint64_t)e->body);
	sql_bind_number(st, 12, e->smtputf8);
	return database_run(&s->database, st) == 1;
}

static void
drop_message_row(struct store *s, const struct id *id)
{
	sqlite3_stmt *st = database_use(&s->database, SQL_MESSAGE_DROP);

	sql_bind_id(st, 1, id);
	database_run(&s->database, st);
}

static enum store_result
put_loaded(struct store *s, const struct store_put *put,
    const struct source *source, const bool *is_double)
{
	const struct envelope *e = put->envelope;

	if (source->size_bytes != e->size_bytes)
		return STORE_REFUSED;
	if (!add_message_row(s, e, source))
		return again(s, put);
	if (!store_content(s, put, source)) {
		drop_message_row(s, &e->id);
		return STORE_UNKNOWN;
	}
	s->totals.messages++;
	store_saw_time(s, e->arrival_ms);
	add_recipients(s, put, source, is_double);
	return STORE_DONE;
}

enum store_result
store_put_message(struct store *s, const struct store_put *put)
{
	const struct envelope *e = put->envelope;
	struct source          source = { .number = 0 };
	bool                  *is_double = NULL;
	enum store_result      result;

	if (!is_possible(put))
		return STORE_REFUSED;
	buf_clear(&s->wire);
	envelope_add(&s->wire, e);
	if (s->wire.failed)
		return STORE_REFUSED;
	result = load(s, put, &source);
	if (result == STORE_REFUSED && put->reuse_body)
		return again(s, put);
	if (result != STORE_DONE)
		return result;
	if (e->n_recipients > 1) {
		is_double = find_doubles(e);
		if (is_double == NULL)
			return STORE_UNKNOWN;
	}
	result = put_loaded(s, put, &source, is_double);
	free(is_double);
	return result;
}
