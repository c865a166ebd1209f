#include "queue/database.h"

#include <stdio.h>
#include <string.h>

enum {
	APPLICATION_ID = 0x416d706c, /* "Ampl" */
	SHRINK_COMMITS = 256,        /* between two looks */
	SHRINK_PAGES = 4096,         /* empty ones that may always stay */
};

/*
 * exclusive locking comes before WAL so that no shared memory file is made;
 * page_size and auto_vacuum before the first table. Debian compiles secure_delete
 * in, which would write every freed page once more.
 */
static const char *const settings =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA page_size = 4096;"
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA wal_autocheckpoint = 4000;"
    "PRAGMA journal_size_limit = 67108864;"
    "PRAGMA cache_size = -32768;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA secure_delete = OFF;"
    "PRAGMA trusted_schema = OFF;";

static bool
complain(struct database *d, char *error, size_t size)
{
	const char *why = sqlite3_errmsg(d->sqlite);

	if (sqlite3_errcode(d->sqlite) % 256 == SQLITE_BUSY)
		why = "another process uses it";
	snprintf(error, size, "queue: %s", why);
	return false;
}

static bool
execute(struct database *d, const char *sql, char *error, size_t size)
{
	if (sqlite3_exec(d->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	return complain(d, error, size);
}

/* The value of a pragma, or another single number. */
static bool
ask(struct database *d, const char *sql, int64_t *value, char *error,
    size_t size)
{
	sqlite3_stmt *st = NULL;
	bool          found;

	if (sqlite3_prepare_v2(d->sqlite, sql, -1, &st, NULL) != SQLITE_OK)
		return complain(d, error, size);
	found = sqlite3_step(st) == SQLITE_ROW;
	if (found)
		*value = sqlite3_column_int64(st, 0);
	else
		complain(d, error, size);
	sqlite3_finalize(st);
	return found;
}

/* One step of the schema and its number are there together or not at all. */
static bool
migrate_one(struct database *d, unsigned from, char *error, size_t size)
{
	char number[96];

	snprintf(number, sizeof number,
	    "PRAGMA application_id = %d; PRAGMA user_version = %u;",
	    APPLICATION_ID, from + 1);
	return execute(d, "BEGIN IMMEDIATE", error, size) &&
	    execute(d, database_migrations[from], error, size) &&
	    execute(d, number, error, size) &&
	    execute(d, "COMMIT", error, size);
}

static bool
migrate(struct database *d, char *error, size_t size)
{
	int64_t application, version;

	if (!ask(d, "PRAGMA application_id", &application, error, size) ||
	    !ask(d, "PRAGMA user_version", &version, error, size))
		return false;
	if (application != APPLICATION_ID && (application || version)) {
		snprintf(error, size, "queue: the file is no queue of Ampel");
		return false;
	}
	if (version < 0 || version > database_version) {
		snprintf(error, size,
		    "queue: made by a newer version (schema %lld, known %u)",
		    (long long)version, database_version);
		return false;
	}
	while (version < database_version)
		if (!migrate_one(d, (unsigned)version++, error, size))
			return false;
	return true;
}

/* A file system without what WAL needs answers with another mode, not an error. */
static bool
check_settings(struct database *d, char *error, size_t size)
{
	int64_t synchronous;
	int64_t is_wal;

	if (!ask(d, "PRAGMA synchronous", &synchronous, error, size) ||
	    !ask(d, "SELECT journal_mode = 'wal' FROM pragma_journal_mode",
	        &is_wal, error, size))
		return false;
	if (synchronous == 2 && is_wal)
		return true;
	snprintf(error, size, "queue: no write-ahead log on this file system");
	return false;
}

bool
database_open(struct database *d, const char *path, char *error, size_t size)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
	    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

	*d = (struct database){ 0 };
	/* Counting memory costs a lock per allocation. Too late is no harm. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (sqlite3_open_v2(path, &d->sqlite, flags, NULL) != SQLITE_OK)
		return complain(d, error, size);
	return execute(d, settings, error, size) &&
	    check_settings(d, error, size) && migrate(d, error, size);
}

bool
database_prepare(struct database *d, char *error, size_t size)
{
	for (size_t i = 0; i < SQL_STATEMENTS; i++)
		if (sqlite3_prepare_v3(d->sqlite, database_sql[i], -1,
		        SQLITE_PREPARE_PERSISTENT, &d->statements[i],
		        NULL) != SQLITE_OK)
			return complain(d, error, size);
	return true;
}

void
database_close(struct database *d)
{
	for (size_t i = 0; i < SQL_STATEMENTS; i++)
		sqlite3_finalize(d->statements[i]);
	sqlite3_close(d->sqlite);
	*d = (struct database){ 0 };
}

sqlite3_stmt *
database_use(struct database *d, enum sql which)
{
	return d->statements[which];
}

/* Numbers above INT64_MAX were refused at the door of the store. */
void
sql_bind_number(sqlite3_stmt *st, int at, uint64_t value)
{
	sqlite3_bind_int64(st, at, (sqlite3_int64)value);
}

void
sql_bind_bytes(sqlite3_stmt *st, int at, struct bytes value)
{
	/* A NULL pointer would bind NULL instead of nothing. */
	sqlite3_bind_blob64(
	    st, at, value.p ? value.p : "", value.n, SQLITE_STATIC);
}

void
sql_bind_id(sqlite3_stmt *st, int at, const struct id *id)
{
	sqlite3_bind_blob(st, at, id->bits, ID_BITS, SQLITE_STATIC);
}

uint64_t
database_run(struct database *d, sqlite3_stmt *st)
{
	int result;

	if (d->failed)
		return 0;
	result = sqlite3_step(st);
	sqlite3_reset(st);
	if (result != SQLITE_DONE) {
		d->failed = true;
		return 0;
	}
	return (uint64_t)sqlite3_changes64(d->sqlite);
}

bool
database_row(struct database *d, sqlite3_stmt *st)
{
	int result;

	if (d->failed)
		return false;
	result = sqlite3_step(st);
	if (result == SQLITE_ROW)
		return true;
	sqlite3_reset(st);
	if (result != SQLITE_DONE)
		d->failed = true;
	return false;
}

void
database_enough(sqlite3_stmt *st)
{
	sqlite3_reset(st);
}

uint64_t
sql_number(sqlite3_stmt *st, int column)
{
	return (uint64_t)sqlite3_column_int64(st, column);
}

struct bytes
sql_bytes(sqlite3_stmt *st, int column)
{
	const void *p = sqlite3_column_blob(st, column);

	if (p == NULL)
		return BYTES("");
	return (struct bytes){ p, (size_t)sqlite3_column_bytes(st, column) };
}

bool
sql_is_null(sqlite3_stmt *st, int column)
{
	return sqlite3_column_type(st, column) == SQLITE_NULL;
}

bool
sql_id(sqlite3_stmt *st, int column, struct id *out)
{
	struct bytes b = sql_bytes(st, column);

	if (b.n != ID_BITS)
		return false;
	memcpy(out->bits, b.p, ID_BITS);
	return true;
}

bool
database_begin(struct database *d)
{
	d->failed = false;
	database_run(d, database_use(d, SQL_BEGIN));
	return !d->failed;
}

void
database_rollback(struct database *d)
{
	/* After some errors (a full disk) SQLite has done it already. */
	if (!sqlite3_get_autocommit(d->sqlite)) {
		sqlite3_step(d->statements[SQL_ROLLBACK]);
		sqlite3_reset(d->statements[SQL_ROLLBACK]);
	}
	d->failed = false;
}

bool
database_commit(struct database *d)
{
	database_run(d, database_use(d, SQL_COMMIT));
	if (!d->failed)
		return true;
	database_rollback(d);
	return false;
}

static bool
is_mostly_empty(struct database *d)
{
	char    error[64];
	int64_t empty, all;

	return ask(d, "PRAGMA freelist_count", &empty, error, sizeof error) &&
	    ask(d, "PRAGMA page_count", &all, error, sizeof error) &&
	    empty > SHRINK_PAGES && empty > all / 2;
}

void
database_shrink(struct database *d)
{
	if (++d->commits < SHRINK_COMMITS)
		return;
	d->commits = 0;
	if (is_mostly_empty(d))
		sqlite3_exec(d->sqlite, "PRAGMA incremental_vacuum(2048)", NULL,
		    NULL, NULL);
}
