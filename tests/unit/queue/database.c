/* What only the store on SQLite does: what it refuses to open, and its files. */
#include "fixture.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

static char *
path_in(const struct fixture *f, const char *name)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/%s", f->folder, name);
	return path;
}

/* Change the closed store with words of SQL. */
static void
meddle(struct fixture *f, const char *sql)
{
	sqlite3 *db;

	store_close(f->s);
	f->s = NULL;
	assert_int_equal(
	    sqlite3_open(path_in(f, "queue.sqlite"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void
assert_refused(struct fixture *f, const char *why)
{
	char error[256] = "";

	assert_null(store_open(f->folder, error, sizeof error));
	if (strstr(error, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error, why);
}

static void
a_newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;

	meddle(f, "PRAGMA user_version = 999");
	assert_refused(f, "newer version");
	meddle(f, "PRAGMA user_version = 2");
	fixture_reopen(f);
}

/* As the first version made it, with a deferred and a held recipient in it. */
static const char version_1[] =
    "DROP TABLE message; DROP TABLE recipient; DROP TABLE body;"
    "DROP TABLE expansion; DROP TABLE seen; DROP TABLE life;"
    "CREATE TABLE message("
    " id BLOB PRIMARY KEY, arrival_ms INTEGER NOT NULL,"
    " size_bytes INTEGER NOT NULL, body INTEGER NOT NULL,"
    " colour INTEGER NOT NULL, recipients INTEGER NOT NULL,"
    " reverse_path BLOB NOT NULL, envelope BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE recipient("
    " id BLOB NOT NULL, recipient INTEGER NOT NULL,"
    " due_ms INTEGER NOT NULL, state INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, life INTEGER NOT NULL,"
    " is_expanded INTEGER NOT NULL, notify INTEGER NOT NULL,"
    " address BLOB NOT NULL, original BLOB, orcpt BLOB, reverse_path BLOB,"
    " text BLOB, PRIMARY KEY(id, recipient)) WITHOUT ROWID;"
    "CREATE INDEX recipient_due ON recipient(due_ms, id, recipient)"
    " WHERE state = 0;"
    "CREATE TABLE body("
    " n INTEGER PRIMARY KEY, uses INTEGER NOT NULL, file BLOB, content BLOB);"
    "CREATE UNIQUE INDEX body_file ON body(file) WHERE file IS NOT NULL;"
    "CREATE TABLE expansion("
    " id BLOB PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE seen("
    " id BLOB NOT NULL, address BLOB NOT NULL, PRIMARY KEY(id, address))"
    " WITHOUT ROWID;"
    "CREATE TABLE life(n INTEGER NOT NULL);"
    "INSERT INTO life VALUES(7);"
    "INSERT INTO message VALUES(X'018bcfe5680000000000000000000001',"
    " 1700000000000, 6, 3, 0, 2, CAST('s@client.example' AS BLOB), X'00');"
    "INSERT INTO recipient VALUES(X'018bcfe5680000000000000000000001', 0,"
    " 1700000000000, 0, 4, 7, 0, 2, CAST('a@example.org' AS BLOB), NULL,"
    " CAST('rfc822;z@example.org' AS BLOB), NULL, CAST('4.2.2 full' AS BLOB));"
    "INSERT INTO recipient VALUES(X'018bcfe5680000000000000000000001', 1,"
    " 1700000000000, 1, 9, 7, 0, 0, CAST('b@example.org' AS BLOB), NULL,"
    " NULL, NULL, CAST('5.1.1 no' AS BLOB));"
    "INSERT INTO body VALUES(3, 1, NULL, CAST('a\n\nhi\n' AS BLOB));"
    "PRAGMA user_version = 1;";

static void
the_first_version_opens_and_works(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l;
	struct store_row   rows[2];

	meddle(f, version_1);
	for (int life = 0; life < 2; life++) {
		fixture_reopen(f);
		assert_stats(f->s, 1, 1, 0, 1);
		l = lease_one(f);
		assert_bytes(l.address, "a@example.org");
		assert_bytes(l.original, "a@example.org");
		assert_bytes(l.reverse_path, "s@client.example");
		assert_bytes(l.orcpt, "rfc822;z@example.org");
		assert_int_equal(l.notify, NOTIFY_SUCCESS);
		assert_int_equal(l.attempts, 4);
		assert_true(l.repeated);
		assert_int_equal(l.ret, RET_UNSET);
		assert_bytes(l.envid, "");
		assert_int_equal(l.body, BODY_8BITMIME);
		assert_false(l.smtputf8);
		assert_false(l.is_warned);
		assert_true(has_body(f->s, &l.id));
	}
	assert_int_equal(store_list(f->s, NULL, &f->arena, rows, 2), 2);
	assert_bytes(rows[0].text, "4.2.2 full");
	assert_int_equal(finish_with(f->s,
	                     (struct store_finish){ .token = l.token,
	                         .due_ms = NOW,
	                         .is_warned = true }),
	    STORE_DONE);
	assert_true(lease_one(f).is_warned);
	assert_int_equal(act(f->s, STORE_REMOVE, l.id, 1), STORE_DONE);
	given(f->s, 9, "c@example.org", NULL);
	assert_false(lease_one(f).is_warned);
}

static void
another_database_is_refused(void **state)
{
	struct fixture *f = *state;

	meddle(f, "PRAGMA application_id = 5");
	assert_refused(f, "no queue of Ampel");
}

static void
a_damaged_file_is_refused(void **state)
{
	struct fixture *f = *state;
	int             fd;

	store_close(f->s);
	f->s = NULL;
	fd = open(path_in(f, "queue.sqlite"), O_WRONLY | O_TRUNC);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, "no database, no database", 24), 24);
	close(fd);
	assert_refused(f, "not a database");
}

static void
an_open_folder_is_refused(void **state)
{
	struct fixture *f = *state;

	store_close(f->s);
	f->s = NULL;
	assert_int_equal(chmod(f->folder, 0750), 0);
	assert_refused(f, "0700");
	assert_int_equal(chmod(f->folder, 0700), 0);
	fixture_reopen(f);
}

static void
a_folder_that_cannot_be_made_is_refused(void **state)
{
	struct fixture *f = *state;
	char            error[256] = "";

	assert_null(store_open(
	    path_in(f, "missing/folder"), error, sizeof error));
	assert_non_null(strstr(error, "No such file"));
}

static void
unnamed_body_files_go_at_the_start(void **state)
{
	static const char *const names[] = { "body/00",
		"body/00/01hf7uaq000000000000000000",
		"body/00/01hf7uaq000000000000000100.new", "body/00/strange" };
	const char *const to[] = { "a@example.org", NULL };
	struct fixture   *f = *state;
	struct mail       m;

	mail_init(&m, 1, STORE_INLINE_BODY + 1, to);
	assert_int_equal(mail_put(f->s, &m), STORE_DONE);
	mail_finish(&m);
	assert_int_equal(mkdir(path_in(f, names[0]), 0700), 0);
	for (size_t i = 1; i < 4; i++)
		close(open(path_in(f, names[i]), O_CREAT | O_WRONLY, 0600));
	fixture_reopen(f);
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(access(path_in(f, names[i]), F_OK), -1);
	assert_body(f->s, &m.envelope.id, STORE_INLINE_BODY + 1, 1);
}

static void
an_emptied_store_shrinks(void **state)
{
	enum { MESSAGES = 400, SIZE = 100 * 1000 };
	const char *const to[] = { "a@example.org", NULL };
	struct fixture   *f = *state;
	struct stat       full, empty;
	struct mail       m;

	for (unsigned i = 0; i < MESSAGES; i++) {
		mail_init(&m, i, SIZE, to);
		assert_int_equal(mail_put(f->s, &m), STORE_DONE);
		mail_finish(&m);
	}
	fixture_reopen(f);
	assert_int_equal(stat(path_in(f, "queue.sqlite"), &full), 0);
	assert_true(full.st_size > MESSAGES * SIZE);
	for (unsigned i = 0; i < MESSAGES; i++)
		act(f->s, STORE_REMOVE, id_number(i), STORE_ALL);
	for (unsigned i = 0; i < 2000; i++)
		store_commit(f->s, NULL, 0);
	fixture_reopen(f);
	assert_int_equal(stat(path_in(f, "queue.sqlite"), &empty), 0);
	assert_true(empty.st_size < full.st_size / 2);
	assert_stats(f->s, 0, 0, 0, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_newer_schema_is_refused),
		T(the_first_version_opens_and_works),
		T(another_database_is_refused),
		T(a_damaged_file_is_refused),
		T(an_open_folder_is_refused),
		T(a_folder_that_cannot_be_made_is_refused),
		T(unnamed_body_files_go_at_the_start),
		T(an_emptied_store_shrinks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
