/*
 * The store under a failing disk: the workload, and the check of what it left.
 *
 *     fault-store work FOLDER SEED         acknowledges each transaction on fd 1
 *     fault-store states FOLDER SEED FILE  the same, undisturbed; writes to FILE what
 *                                          the store holds after each transaction
 *     fault-store open FOLDER              nothing but recovery
 *     fault-store check FOLDER FILE N      N were acknowledged: after recovery the
 *                                          store holds state N or N + 1, and every
 *                                          invariant of queue/store.h is true
 *
 * A state is text: every recipient with what the store says of it, and the digest of
 * its body. So an acknowledged PUT is there, an acknowledged FINISH stays, and what was
 * not acknowledged is there whole or not at all.
 */
#include <dirent.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/memfile.h"
#include "queue/store.h"

#define NOW UINT64_C(1700000000000)

enum {
	STEPS = 28,
	PUTS = 3,
	LEASES = 4,
	RECIPIENTS = 3,
	ROWS_MAX = 4096,
	STATE_MAX = 4 * 1024 * 1024,
};

static void fail(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));

static void
fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static struct store *
open_store(const char *folder)
{
	char          error[256];
	struct store *s = store_open(folder, error, sizeof error);

	if (s == NULL)
		fail("store_open: %s", error);
	return s;
}

/* ---- states ---- */

static uint64_t
digest_of(struct store *s, const struct id *id)
{
	uint64_t   h = 14695981039346656037U;
	int        fd = store_body(s, id);
	struct buf b;

	if (fd == -1)
		fail("%s has no body", id_text(id).p);
	buf_init(&b, 1024 * 1024);
	if (memfile_read(fd, 0, &b) == -1)
		fail("%s: its body cannot be read", id_text(id).p);
	for (size_t i = 0; i < b.len; i++)
		h = (h ^ (unsigned char)b.p[i]) * 0x100000001b3;
	h ^= b.len;
	buf_finish(&b);
	close(fd);
	return h;
}

/* A lease is no part of a state. */
static void
add_row(struct buf *out, struct store *s, const struct store_row *row)
{
	buf_addf(out, "%s %u %s %llu %u %.*s <%.*s> \"%.*s\" %016llx %llu\n",
	    id_text(&row->id).p, row->recipient,
	    row->state == STORE_HELD ? "held" : "queued",
	    (unsigned long long)row->due_ms, row->attempts,
	    BYTES_ARG(row->address), BYTES_ARG(row->reverse_path),
	    BYTES_ARG(row->text), (unsigned long long)digest_of(s, &row->id),
	    (unsigned long long)row->size_bytes);
}

static void
add_state(struct buf *out, struct store *s)
{
	static struct store_row rows[ROWS_MAX];
	struct arena            arena;
	size_t                  n;

	arena_init(&arena, STATE_MAX);
	n = store_list(s, NULL, &arena, rows, ROWS_MAX);
	for (size_t i = 0; i < n; i++)
		add_row(out, s, &rows[i]);
	arena_finish(&arena);
}

/* ---- the workload ---- */

struct work {
	struct store *s;
	const char   *folder;
	uint32_t      random;
	unsigned      ids;
	unsigned      commits;
	FILE         *states; /* NULL: acknowledge instead */
};

static uint32_t
below(struct work *w, uint32_t n)
{
	w->random = w->random * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)w->random * n >> 32);
}

static void
write_state(struct work *w)
{
	struct buf state;

	buf_init(&state, STATE_MAX);
	add_state(&state, w->s);
	fprintf(w->states, "== %u\n%s", w->commits, buf_string(&state));
	buf_finish(&state);
}

/* On return, what was DONE is promised. */
static void
commit(struct work *w, struct store_op *ops, size_t n)
{
	struct store_op *list[PUTS + LEASES];
	char             line[32];
	int              size;

	for (size_t i = 0; i < n; i++)
		list[i] = &ops[i];
	store_commit(w->s, list, n);
	for (size_t i = 0; i < n; i++)
		if (ops[i].result == STORE_UNKNOWN)
			fail("a commit failed");
	w->commits++;
	if (w->states) {
		write_state(w);
		return;
	}
	size = snprintf(line, sizeof line, "%u\n", w->commits);
	if (write(1, line, (size_t)size) != size)
		fail("no one reads the acknowledgements");
}

static const char *const addresses[] = { "a@one.example", "b@one.example",
	"c@two.example", "d@two.example", "e@three.example", "f@three.example" };

struct mail {
	struct envelope           envelope;
	struct envelope_recipient recipients[RECIPIENTS];
	struct store_put          put;
};

static struct id
next_id(struct work *w)
{
	uint8_t random[ID_RANDOM] = { 0 };

	random[0] = (uint8_t)(++w->ids * 37); /* not in the order of time */
	random[ID_RANDOM - 1] = (uint8_t)w->ids;
	return id_make(NOW, random);
}

static int
new_body(struct work *w, size_t size)
{
	char *p = malloc(size + 1);
	int   fd;

	if (p == NULL)
		fail("no memory");
	for (size_t i = 0; i < size; i++)
		p[i] = (char)('a' + (i + i / 256 + w->ids) % 26);
	fd = memfile_of("body", (struct bytes){ p, size });
	free(p);
	if (fd == -1)
		fail("no memory file");
	return fd;
}

static void
mail_init(struct work *w, struct mail *m)
{
	size_t size = below(w, 5) == 0 ? STORE_INLINE_BODY + 1 + below(w, 5000) :
	                                 below(w, 9000);

	*m = (struct mail){ .envelope = { .id = next_id(w),
		                .arrival_ms = NOW,
		                .reverse_path = BYTES("s@client.example"),
		                .size_bytes = size,
		                .recipients = m->recipients,
		                .n_recipients = 1 + below(w, RECIPIENTS) } };
	for (size_t i = 0; i < m->envelope.n_recipients; i++) {
		m->recipients[i].address = bytes_of(addresses[below(w, 6)]);
		m->recipients[i].original = m->recipients[i].address;
	}
	m->put = (struct store_put){ .envelope = &m->envelope,
		.body = new_body(w, size),
		.due_ms = NOW };
}

static size_t
add_puts(struct work *w, struct store_op *ops, struct mail *mails)
{
	size_t n = below(w, PUTS + 1);

	for (size_t i = 0; i < n; i++) {
		mail_init(w, &mails[i]);
		ops[i] = (struct store_op){ .kind = STORE_PUT,
			.put = mails[i].put };
	}
	return n;
}

/* A bounce with a body of its own, or on that of the message. */
static void
bounce(struct work *w, struct mail *m, const struct store_lease *lease)
{
	mail_init(w, m);
	if (below(w, 2) == 0)
		return;
	m->put.reuse_body = &lease->id;
	m->envelope.size_bytes = lease->size_bytes;
}

static const struct envelope_recipient expansion[] = {
	{ .address = BYTES_INIT("b@one.example") },
	{ .address = BYTES_INIT("x@alias.example") },
	{ .address = BYTES_INIT("y@alias.example") },
};

static void
add_finish(struct work *w, struct store_op *op, struct mail *caused,
    const struct store_lease *lease)
{
	struct store_finish *f = &op->finish;

	*op = (struct store_op){ .kind = STORE_FINISH };
	f->token = lease->token;
	switch (below(w, 7)) {
	case 0:
		f->outcome.kind = OUTCOME_DEFERRED;
		f->outcome.text = BYTES("later");
		f->due_ms = NOW + 1 + below(w, 3);
		break;
	case 1:
		f->outcome.kind = OUTCOME_FAILED;
		f->hold = true;
		break;
	case 2:
	case 3:
		f->outcome.kind = OUTCOME_FAILED;
		bounce(w, caused, lease);
		f->caused = &caused->put;
		f->n_caused = 1;
		break;
	case 4:
		f->outcome.kind = OUTCOME_EXPANDED;
		f->expanded = expansion;
		f->n_expanded = 1 + below(w, 3);
		break;
	default:
		f->outcome.kind = OUTCOME_DELIVERED;
	}
}

static size_t
add_admin(struct work *w, struct store_op *op, const struct id *id)
{
	static const enum store_op_kind kinds[] = { STORE_HOLD, STORE_KICK,
		STORE_REMOVE, STORE_KICK_ALL };

	if (below(w, 4) > 0)
		return 0;
	*op = (struct store_op){ .kind = kinds[below(w, 4)],
		.id = *id,
		.recipient = STORE_ALL,
		.now_ms = NOW };
	return 1;
}

/* New messages, outcomes of what is leased, and a look at the rest. */
static void
step(struct work *w)
{
	const struct store_want want = { .now_ms = NOW + 1, .others = 99 };
	struct store_lease      leases[LEASES];
	struct mail             mails[PUTS], caused[LEASES];
	struct store_op         ops[PUTS + LEASES];
	struct arena            arena;
	size_t                  n, n_puts, n_leases;

	arena_init(&arena, 1024 * 1024);
	for (size_t i = 0; i < LEASES; i++)
		caused[i].put.body = -1;
	n_puts = n = add_puts(w, ops, mails);
	n_leases = store_lease(
	    w->s, &want, &arena, leases, 1 + below(w, LEASES - 1));
	for (size_t i = 0; i < n_leases; i++)
		add_finish(w, &ops[n++], &caused[i], &leases[i]);
	if (n_leases > 0)
		n += add_admin(w, &ops[n], &leases[0].id);
	commit(w, ops, n);
	for (size_t i = 0; i < n_puts; i++)
		close(mails[i].put.body);
	for (size_t i = 0; i < LEASES; i++)
		if (caused[i].put.body != -1)
			close(caused[i].put.body);
	arena_finish(&arena);
}

static void
work(const char *folder, const char *seed, FILE *states)
{
	struct work w = { .folder = folder,
		.random = (uint32_t)strtoul(seed, NULL, 10),
		.states = states };

	w.s = open_store(folder);
	if (states)
		write_state(&w);
	for (unsigned i = 0; i < STEPS; i++) {
		step(&w);
		if (below(&w, 8) == 0) {
			store_close(w.s);
			w.s = open_store(folder);
		}
	}
	store_close(w.s);
}

/* ---- the check ---- */

/* State number n of the file; "" when it ends before. To be freed. */
static char *
read_state(const char *path, unsigned n)
{
	FILE  *f = fopen(path, "r");
	char  *state = calloc(1, STATE_MAX), line[1024], wanted[32];
	bool   inside = false;
	size_t len = 0;

	if (f == NULL || state == NULL)
		fail("%s cannot be read", path);
	snprintf(wanted, sizeof wanted, "== %u\n", n);
	while (fgets(line, sizeof line, f)) {
		if (strncmp(line, "== ", 3) == 0) {
			inside = strcmp(line, wanted) == 0;
			continue;
		}
		if (inside)
			len += (size_t)snprintf(
			    state + len, STATE_MAX - len, "%s", line);
	}
	fclose(f);
	return state;
}

static void
check_state(struct store *s, const char *path, unsigned n)
{
	char      *before = read_state(path, n), *after = read_state(path, n + 1);
	struct buf is;

	buf_init(&is, STATE_MAX);
	add_state(&is, s);
	if (strcmp(buf_string(&is), before) != 0 &&
	    strcmp(buf_string(&is), after) != 0)
		fail("after %u acknowledgements:\n%s-- wanted\n%s-- or\n%s", n,
		    buf_string(&is), before, after);
	buf_finish(&is);
	free(before);
	free(after);
}

/* Invariants 2 and 6, and that all that outlived a process is `repeated`. */
static void
check_leases(struct store *s)
{
	static struct store_lease leases[ROWS_MAX];
	const struct store_want   want = { .now_ms = NOW * 2, .others = ROWS_MAX };
	struct arena              arena;
	struct store_stats        stats;
	size_t                    n;

	arena_init(&arena, STATE_MAX);
	store_stats(s, &stats);
	n = store_lease(s, &want, &arena, leases, ROWS_MAX);
	if (n != stats.queued || store_lease(s, &want, &arena, leases, 1) != 0)
		fail("%zu leased of %llu that are queued", n,
		    (unsigned long long)stats.queued);
	for (size_t i = 0; i < n; i++) {
		if (!leases[i].repeated)
			fail("a lease is not marked as repeated");
		for (size_t k = 0; k < i; k++)
			if (id_equal(&leases[i].id, &leases[k].id) &&
			    bytes_equal(
			        leases[i].address, leases[k].address))
				fail("a recipient is there twice");
	}
	arena_finish(&arena);
}

static long long
ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;
	long long     answer = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail("%s: %s", sql, sqlite3_errmsg(db));
	if (sqlite3_step(st) == SQLITE_ROW)
		answer = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return answer;
}

static long long
count_files(const char *folder)
{
	char           path[4096];
	DIR           *dir = opendir(folder);
	struct dirent *entry;
	long long      n = 0;

	if (dir == NULL)
		fail("%s cannot be read", folder);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		n += entry->d_type == DT_DIR ? count_files(path) : 1;
	}
	closedir(dir);
	return n;
}

/* Invariants 4 and 5 in the tables: nothing without an owner. */
static void
check_tables(const char *folder)
{
	static const char *const none[] = {
		"SELECT count(*) FROM message WHERE id NOT IN"
		" (SELECT id FROM recipient)",
		"SELECT count(*) FROM recipient WHERE id NOT IN"
		" (SELECT id FROM message)",
		"SELECT count(*) FROM message WHERE body NOT IN"
		" (SELECT n FROM body)",
		"SELECT count(*) FROM body WHERE uses <>"
		" (SELECT count(*) FROM message WHERE body = body.n)",
		"SELECT count(*) FROM expansion WHERE id NOT IN"
		" (SELECT id FROM message)",
		"SELECT count(*) FROM seen WHERE id NOT IN"
		" (SELECT id FROM expansion)",
		"SELECT integrity_check <> 'ok' FROM pragma_integrity_check",
	};
	char     path[4096];
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/queue.sqlite", folder);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		fail("%s: %s", path, sqlite3_errmsg(db));
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		if (ask(db, none[i]) != 0)
			fail("not none: %s", none[i]);
	snprintf(path, sizeof path, "%s/body", folder);
	if (count_files(path) !=
	    ask(db, "SELECT count(*) FROM body WHERE file IS NOT NULL"))
		fail("files without a row, or rows without a file");
	sqlite3_close(db);
}

static void
check(const char *folder, const char *path, unsigned n)
{
	struct store *s = open_store(folder);

	check_state(s, path, n);
	check_leases(s);
	store_close(s);
	check_tables(folder);
}

int
main(int argc, char *argv[])
{
	FILE *states;

	if (argc == 4 && strcmp(argv[1], "work") == 0) {
		work(argv[2], argv[3], NULL);
	} else if (argc == 5 && strcmp(argv[1], "states") == 0) {
		states = fopen(argv[4], "w");
		if (states == NULL)
			fail("%s cannot be written", argv[4]);
		work(argv[2], argv[3], states);
		fclose(states);
	} else if (argc == 3 && strcmp(argv[1], "open") == 0) {
		store_close(open_store(argv[2]));
	} else if (argc == 5 && strcmp(argv[1], "check") == 0) {
		check(argv[2], argv[3], (unsigned)strtoul(argv[4], NULL, 10));
	} else {
		fail("usage: see the head of tests/faults/store.c");
	}
	return 0;
}
