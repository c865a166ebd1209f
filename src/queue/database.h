/*
 * The SQLite file under the store: opened, brought to the newest schema, its
 * statements prepared once and kept. The first error of a transaction sets failed;
 * whatever is run after that answers "no row" until database_rollback.
 */
#ifndef AMPEL_QUEUE_DATABASE_H
#define AMPEL_QUEUE_DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "mail/id.h"

/* Each with its text in database_sql.c. */
enum sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_SAVEPOINT,
	SQL_SAVEPOINT_KEEP,
	SQL_SAVEPOINT_UNDO,
	SQL_LIFE_BEGIN,
	SQL_LIFE,
	SQL_NEXT_BODY,
	SQL_MESSAGE_ADD,
	SQL_MESSAGE_GET,
	SQL_MESSAGE_BODY,
	SQL_MESSAGE_DROP,
	SQL_RECIPIENT_ADD,
	SQL_RECIPIENT_ANY,
	SQL_RECIPIENT_ANY_FREE,
	SQL_RECIPIENT_DROP,
	SQL_RECIPIENT_DEFER,
	SQL_RECIPIENT_HOLD,
	SQL_RECIPIENT_ATTEMPTED,
	SQL_BODY_ADD,
	SQL_BODY_REUSE,
	SQL_BODY_DROP_SMALL,
	SQL_BODY_GET,
	SQL_BODY_DROP,
	SQL_BODY_UNUSE,
	SQL_BODY_FILE_NAMED,
	SQL_BODY_OF,
	SQL_EXPANSION_GET,
	SQL_EXPANSION_SET,
	SQL_EXPANSION_DROP,
	SQL_SEEN_ADD,
	SQL_SEEN_DROP,
	SQL_DUE,
	SQL_ONE,
	SQL_HOLD,
	SQL_KICK_QUEUED,
	SQL_KICK_HELD,
	SQL_KICK_ALL,
	SQL_REMOVE_QUEUED,
	SQL_REMOVE_HELD,
	SQL_LIST,
	SQL_COUNT_MESSAGES,
	SQL_COUNT_QUEUED,
	SQL_COUNT_HELD,
	SQL_STATEMENTS
};

/* As in recipient.state; the SQL texts have the same numbers. */
enum { ROW_IS_QUEUED = 0, ROW_IS_HELD = 1 };

struct database {
	sqlite3      *sqlite;
	sqlite3_stmt *statements[SQL_STATEMENTS];
	bool          failed;
	unsigned      commits; /* since database_shrink looked */
};

/* False with a line in error; database_close is then still needed. */
bool database_open(
    struct database *d, const char *path, char *error, size_t size);
/* Before database_prepare the functions that the statements use must be there. */
bool database_prepare(struct database *d, char *error, size_t size);
void database_close(struct database *d);

/* The statement, ready for its values; they are numbered from 1. */
sqlite3_stmt *database_use(struct database *d, enum sql which);
/* Its values live until the statement was run. */
void sql_bind_number(sqlite3_stmt *st, int at, uint64_t value);
void sql_bind_bytes(sqlite3_stmt *st, int at, struct bytes value);
void sql_bind_id(sqlite3_stmt *st, int at, const struct id *id);

/* Run to the end. The number of rows that it changed; 0 when it failed. */
uint64_t database_run(struct database *d, sqlite3_stmt *st);
/* One more row. False at the end or after an error; the statement is then reset. */
bool     database_row(struct database *d, sqlite3_stmt *st);
/* Enough rows were read. */
void     database_enough(sqlite3_stmt *st);

/* Views until the next row. */
uint64_t     sql_number(sqlite3_stmt *st, int column);
struct bytes sql_bytes(sqlite3_stmt *st, int column);
bool         sql_is_null(sqlite3_stmt *st, int column);
/* False when the column is no id. */
bool         sql_id(sqlite3_stmt *st, int column, struct id *out);

bool database_begin(struct database *d);
/* Everything is on disk. False: rolled back, though a power cut may bring it back. */
bool database_commit(struct database *d);
void database_rollback(struct database *d);
/*
 * For now and then, between transactions: when most of a large file is empty, a part of
 * that is given back. Whether it works or not changes nothing.
 */
void database_shrink(struct database *d);

extern const char *const database_sql[SQL_STATEMENTS];
extern const char *const database_migrations[];
extern const unsigned    database_version;

#endif
