/*
 * Every word of SQL. WITHOUT ROWID keeps a table and its key in one tree; four
 * trees are written for a message: message, recipient, recipient_due, body.
 */
#include "queue/database.h"

/* Step n brings a file of version n to version n + 1. Never change an old one. */
const char *const database_migrations[] = {
	/* id: 16 bytes. envelope: proto/envelope_wire.h, as it was PUT. recipients: how
	 * many the envelope has. */
	"CREATE TABLE message("
	" id BLOB PRIMARY KEY, arrival_ms INTEGER NOT NULL,"
	" size_bytes INTEGER NOT NULL, body INTEGER NOT NULL,"
	" colour INTEGER NOT NULL, recipients INTEGER NOT NULL,"
	" reverse_path BLOB NOT NULL, envelope BLOB NOT NULL) WITHOUT ROWID;"

	/* Those that are not DONE. state: 0 QUEUED, 1 HELD. life: in which life of the
	 * store no attempt can have gone unreported; 0: in none. original NULL: as
	 * address. reverse_path NULL: the message's. */
	"CREATE TABLE recipient("
	" id BLOB NOT NULL, recipient INTEGER NOT NULL,"
	" due_ms INTEGER NOT NULL, state INTEGER NOT NULL,"
	" attempts INTEGER NOT NULL, life INTEGER NOT NULL,"
	" is_expanded INTEGER NOT NULL, notify INTEGER NOT NULL,"
	" address BLOB NOT NULL, original BLOB, orcpt BLOB, reverse_path BLOB,"
	" text BLOB, PRIMARY KEY(id, recipient)) WITHOUT ROWID;"
	"CREATE INDEX recipient_due ON recipient(due_ms, id, recipient)"
	" WHERE state = 0;"

	/* content NULL: the body is the file named by the id in file. */
	"CREATE TABLE body("
	" n INTEGER PRIMARY KEY, uses INTEGER NOT NULL, file BLOB, content BLOB);"
	"CREATE UNIQUE INDEX body_file ON body(file) WHERE file IS NOT NULL;"

	/* Of messages with an expanded recipient: the number of the next one, and every
	 * address that the message ever had. */
	"CREATE TABLE expansion("
	" id BLOB PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE seen("
	" id BLOB NOT NULL, address BLOB NOT NULL, PRIMARY KEY(id, address))"
	" WITHOUT ROWID;"

	/* How often the store was opened. */
	"CREATE TABLE life(n INTEGER NOT NULL);"
	"INSERT INTO life VALUES(0);",

	/* What the envelope says to other hosts; envid NULL: none. body_type: enum
	 * envelope_body; what came earlier may be 8-bit. is_warned: its sender was told
	 * of the delay. */
	"ALTER TABLE message ADD COLUMN ret INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE message ADD COLUMN envid BLOB;"
	"ALTER TABLE message ADD COLUMN body_type INTEGER NOT NULL DEFAULT 1;"
	"ALTER TABLE message ADD COLUMN smtputf8 INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE recipient ADD COLUMN is_warned INTEGER NOT NULL DEFAULT 0;",
};

const unsigned database_version =
    sizeof database_migrations / sizeof *database_migrations;

#define LEASE_COLUMNS \
	"SELECT r.id, r.recipient, r.due_ms, r.attempts, r.life, r.is_expanded," \
	" r.address, r.original, coalesce(r.reverse_path, m.reverse_path)," \
	" m.arrival_ms, m.size_bytes, m.colour, m.body, m.recipients," \
	" r.is_warned, r.notify, r.orcpt, m.ret, m.envid, m.body_type, m.smtputf8"

#define SOME_FREE \
	" WHERE id = ?1 AND recipient BETWEEN ?2 AND ?3" \
	" AND NOT is_leased(id, recipient)"

const char *const database_sql[SQL_STATEMENTS] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_SAVEPOINT] = "SAVEPOINT op",
	[SQL_SAVEPOINT_KEEP] = "RELEASE op",
	[SQL_SAVEPOINT_UNDO] = "ROLLBACK TO op",

	[SQL_LIFE_BEGIN] = "UPDATE life SET n = n + 1",
	[SQL_LIFE] = "SELECT n FROM life",
	[SQL_NEXT_BODY] = "SELECT coalesce(max(n), 0) + 1 FROM body",

	[SQL_MESSAGE_ADD] =
	    "INSERT OR IGNORE INTO message"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
	[SQL_MESSAGE_GET] = "SELECT envelope, body FROM message WHERE id = ?1",
	[SQL_MESSAGE_BODY] = "SELECT body, size_bytes FROM message WHERE id = ?1",
	[SQL_MESSAGE_DROP] = "DELETE FROM message WHERE id = ?1",

	[SQL_RECIPIENT_ADD] =
	    "INSERT INTO recipient"
	    " VALUES(?1, ?2, ?3, 0, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NULL, 0)",
	[SQL_RECIPIENT_ANY] = "SELECT 1 FROM recipient WHERE id = ?1 LIMIT 1",
	[SQL_RECIPIENT_ANY_FREE] = "SELECT 1 FROM recipient" SOME_FREE " LIMIT 1",
	[SQL_RECIPIENT_DROP] =
	    "DELETE FROM recipient WHERE id = ?1 AND recipient = ?2",
	[SQL_RECIPIENT_DEFER] =
	    "UPDATE recipient SET due_ms = ?3, attempts = attempts + 1, life = ?4,"
	    " text = ?5, is_warned = is_warned OR ?6"
	    " WHERE id = ?1 AND recipient = ?2",
	[SQL_RECIPIENT_HOLD] =
	    "UPDATE recipient SET state = 1, life = ?3, text = ?4"
	    " WHERE id = ?1 AND recipient = ?2",
	[SQL_RECIPIENT_ATTEMPTED] =
	    "UPDATE recipient SET life = 0 WHERE id = ?1 AND recipient = ?2",

	[SQL_BODY_ADD] = "INSERT INTO body VALUES(?1, 1, ?2, ?3)",
	[SQL_BODY_REUSE] = "UPDATE body SET uses = uses + 1 WHERE n = ?1",
	[SQL_BODY_DROP_SMALL] =
	    "DELETE FROM body WHERE n = ?1 AND uses = 1 AND file IS NULL",
	[SQL_BODY_GET] = "SELECT uses, file FROM body WHERE n = ?1",
	[SQL_BODY_DROP] = "DELETE FROM body WHERE n = ?1",
	[SQL_BODY_UNUSE] = "UPDATE body SET uses = uses - 1 WHERE n = ?1",
	[SQL_BODY_FILE_NAMED] = "SELECT 1 FROM body WHERE file = ?1",
	[SQL_BODY_OF] = "SELECT file, content FROM body WHERE n = ?1",

	[SQL_EXPANSION_GET] = "SELECT next FROM expansion WHERE id = ?1",
	[SQL_EXPANSION_SET] = "INSERT OR REPLACE INTO expansion VALUES(?1, ?2)",
	[SQL_EXPANSION_DROP] = "DELETE FROM expansion WHERE id = ?1",
	[SQL_SEEN_ADD] = "INSERT OR IGNORE INTO seen VALUES(?1, ?2)",
	[SQL_SEEN_DROP] = "DELETE FROM seen WHERE id = ?1",

	[SQL_DUE] = LEASE_COLUMNS
	    " FROM recipient r INDEXED BY recipient_due CROSS JOIN message m"
	    " ON m.id = r.id WHERE r.state = 0"
	    " AND (r.due_ms, r.id, r.recipient) >= (?1, ?2, ?3)"
	    " ORDER BY r.due_ms, r.id, r.recipient",
	[SQL_ONE] = LEASE_COLUMNS
	    " FROM recipient r CROSS JOIN message m ON m.id = r.id"
	    " WHERE r.state = 0 AND r.id = ?1 AND r.recipient = ?2",

	[SQL_HOLD] = "UPDATE recipient SET state = 1" SOME_FREE " AND state = 0",
	[SQL_KICK_QUEUED] =
	    "UPDATE recipient SET due_ms = ?4" SOME_FREE " AND state = 0",
	[SQL_KICK_HELD] =
	    "UPDATE recipient SET state = 0, due_ms = ?4" SOME_FREE " AND state = 1",
	[SQL_KICK_ALL] =
	    "UPDATE recipient SET due_ms = ?1"
	    " WHERE state = 0 AND NOT is_leased(id, recipient)",
	[SQL_REMOVE_QUEUED] = "DELETE FROM recipient" SOME_FREE " AND state = 0",
	[SQL_REMOVE_HELD] = "DELETE FROM recipient" SOME_FREE " AND state = 1",

	[SQL_LIST] =
	    "SELECT r.id, r.recipient, m.arrival_ms, m.size_bytes,"
	    " coalesce(r.reverse_path, m.reverse_path), r.address, r.state,"
	    " r.due_ms, r.attempts, r.text"
	    " FROM recipient r CROSS JOIN message m ON m.id = r.id"
	    " WHERE (r.id, r.recipient) > (?1, ?2) ORDER BY r.id, r.recipient"
	    " LIMIT ?3",
	[SQL_COUNT_MESSAGES] = "SELECT count(*) FROM message",
	[SQL_COUNT_QUEUED] = "SELECT count(*) FROM recipient WHERE state = 0",
	[SQL_COUNT_HELD] =
	    "SELECT (SELECT count(*) FROM recipient)"
	    " - (SELECT count(*) FROM recipient WHERE state = 0)",
};
