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
	meddle(f, "PRAGMA user_version = 1");
	fixture_reopen(f);
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
		T(another_database_is_refused),
		T(a_damaged_file_is_refused),
		T(an_open_folder_is_refused),
		T(a_folder_that_cannot_be_made_is_refused),
		T(unnamed_body_files_go_at_the_start),
		T(an_emptied_store_shrinks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
