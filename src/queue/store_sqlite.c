/* The store on SQLite: open and close, and the transaction around the ops. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/clock.h"
#include "proto/envelope_wire.h"
#include "queue/body_file.h"
#include "queue/store_inside.h"

enum { FILES_AT_ONCE = 1024 * 1024, PATH_SIZE = 4096 };

/* ---- folders ---- */

/* Make it when it is missing; it must be private. A descriptor, or -1. */
static int
open_folder(const char *path, char *error, size_t size)
{
	struct stat st;
	int         fd;

	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		goto fail;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		goto fail;
	if (fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	    (st.st_mode & 077) == 0)
		return fd;
	snprintf(error, size, "%s: not ours alone (wanted: mode 0700)", path);
	close(fd);
	return -1;
fail:
	snprintf(error, size, "%s: %s", path, strerror(errno));
	return -1;
}

static bool
path_of(
    const char *folder, const char *name, char *out, char *error, size_t size)
{
	int n = snprintf(out, PATH_SIZE, "%s/%s", folder, name);

	if (n > 0 && n < PATH_SIZE)
		return true;
	snprintf(error, size, "%s: the path is too long", folder);
	return false;
}

/* New names in the folder and the name of the folder itself are on disk. */
static bool
flush_folder(int folder, char *error, size_t size)
{
	int  parent = openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool flushed = fsync(folder) == 0 &&
	    (parent == -1 || fsync(parent) == 0);

	if (!flushed)
		snprintf(error, size, "queue: %s", strerror(errno));
	if (parent != -1)
		close(parent);
	return flushed;
}

/* ---- open and close ---- */

static bool
is_named(void *context, const struct id *id)
{
	struct store *s = context;
	sqlite3_stmt *st = database_use(&s->database, SQL_BODY_FILE_NAMED);
	bool          found;

	sql_bind_id(st, 1, id);
	found = database_row(&s->database, st);
	if (found)
		database_enough(st);
	/* When the table cannot be read, no file goes. */
	return found || s->database.failed;
}

static bool
read_number(struct store *s, enum sql which, uint64_t *out)
{
	sqlite3_stmt *st = database_use(&s->database, which);

	if (!database_row(&s->database, st))
		return false;
	*out = sql_number(st, 0);
	database_enough(st);
	return true;
}

/* A new life: what an earlier one leased is `repeated`, its tokens are stale. */
static bool
begin_life(struct store *s, char *error, size_t size)
{
	uint64_t next_body;

	if (database_begin(&s->database)) {
		database_run(&s->database,
		    database_use(&s->database, SQL_LIFE_BEGIN));
		if (read_number(s, SQL_LIFE, &s->life) &&
		    read_number(s, SQL_NEXT_BODY, &next_body) &&
		    database_commit(&s->database)) {
			s->next_body = (int64_t)next_body;
			return true;
		}
	}
	snprintf(error, size, "queue: %s", sqlite3_errmsg(s->database.sqlite));
	return false;
}

static bool
open_database(
    struct store *s, const char *folder, char *error, size_t size)
{
	char path[PATH_SIZE];

	if (!path_of(folder, "queue.sqlite", path, error, size) ||
	    !database_open(&s->database, path, error, size))
		return false;
	if (!store_add_functions(s)) {
		snprintf(error, size, "queue: no memory");
		return false;
	}
	return database_prepare(&s->database, error, size) &&
	    begin_life(s, error, size);
}

static bool
open_in(struct store *s, const char *folder, char *error, size_t size)
{
	char path[PATH_SIZE];
	int  fd = open_folder(folder, error, size);
	bool opened;

	if (fd == -1)
		return false;
	if (!path_of(folder, "body", path, error, size)) {
		close(fd);
		return false;
	}
	s->bodies = open_folder(path, error, size);
	opened = s->bodies != -1 && open_database(s, folder, error, size) &&
	    flush_folder(fd, error, size);
	close(fd);
	return opened;
}

static struct store *
store_new(void)
{
	struct store *s = calloc(1, sizeof *s);
	uint64_t      seed;

	if (s == NULL)
		return NULL;
	random_fill(&seed, sizeof seed);
	s->bodies = -1;
	if (!window_init(&s->window, seed)) {
		window_finish(&s->window);
		free(s);
		return NULL;
	}
	body_cache_init(&s->cache);
	buf_init(&s->wire, ENVELOPE_WIRE_MAX);
	buf_init(&s->body, STORE_INLINE_BODY);
	buf_init(&s->text, STORE_TEXT_MAX + STORE_HOST_MAX + 32);
	buf_init(&s->files_made, FILES_AT_ONCE);
	buf_init(&s->files_gone, FILES_AT_ONCE);
	return s;
}

struct store *
store_open(const char *folder, char *error, size_t size)
{
	struct store *s = store_new();

	if (s == NULL) {
		snprintf(error, size, "queue: no memory");
		return NULL;
	}
	if (!open_in(s, folder, error, size)) {
		store_close(s);
		return NULL;
	}
	body_file_sweep(s->bodies, is_named, s);
	return s;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	database_close(&s->database);
	if (s->bodies != -1)
		close(s->bodies);
	body_cache_finish(&s->cache);
	window_finish(&s->window);
	buf_finish(&s->wire);
	buf_finish(&s->body);
	buf_finish(&s->text);
	buf_finish(&s->files_made);
	buf_finish(&s->files_gone);
	free(s);
}

/* ---- the transaction ---- */

void
store_remove_files(struct store *s, struct buf *files, size_t from)
{
	struct id id;

	for (size_t at = from * sizeof id; at + sizeof id <= files->len;
	     at += sizeof id) {
		memcpy(&id, files->p + at, sizeof id);
		body_file_remove(s->bodies, &id);
	}
	if (from * sizeof id < files->len)
		files->len = from * sizeof id;
}

static enum store_result
run(struct store *s, struct store_op *op)
{
	switch (op->kind) {
	case STORE_PUT:
		return store_put_message(s, &op->put);
	case STORE_FINISH:
		return store_finish_lease(s, &op->finish);
	case STORE_EXTEND:
		return store_extend(s, op);
	case STORE_RELEASE:
		return store_release(s, op);
	case STORE_HOLD:
		return store_hold(s, op);
	case STORE_KICK:
		return store_kick(s, op);
	case STORE_REMOVE:
		return store_remove(s, op);
	case STORE_KICK_ALL:
		return store_kick_all(s, op);
	}
	return STORE_REFUSED;
}

/* The first error ends it: what follows could not be committed anyway. */
static bool
run_all(struct store *s, struct store_op *ops[], size_t n)
{
	if (!database_begin(&s->database))
		return false;
	for (size_t i = 0; i < n; i++) {
		ops[i]->result = run(s, ops[i]);
		if (s->database.failed)
			return false;
	}
	return true;
}

/*
 * Memory goes back to what the table says. When the commit itself failed, a power
 * cut may yet bring its rows to light, so their files stay until the next start.
 */
static void
undo(struct store *s, bool commit_failed)
{
	if (!commit_failed) {
		database_rollback(&s->database);
		store_remove_files(s, &s->files_made, 0);
	}
	window_undo(&s->window);
	body_cache_finish(&s->cache);
	s->totals.known = false;
}

void
store_commit(struct store *s, struct store_op *ops[], size_t n)
{
	bool ran;

	buf_clear(&s->files_made);
	buf_clear(&s->files_gone);
	ran = run_all(s, ops, n);
	if (ran && database_commit(&s->database)) {
		window_keep(&s->window);
		store_remove_files(s, &s->files_gone, 0);
		database_shrink(&s->database);
		return;
	}
	undo(s, ran);
	for (size_t i = 0; i < n; i++)
		ops[i]->result = STORE_UNKNOWN;
}
