#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "deliver/users.h"
#include "home.h"

static void
make(const char *below)
{
	char path[PATH_TEXT];

	path_at(path, below);
	assert_int_equal(mkdir(path, 0700), 0);
}

static mode_t
mode_of(const char *below)
{
	char        path[PATH_TEXT];
	struct stat st;

	path_at(path, below);
	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode;
}

static void
test_made(void **state)
{
	struct folder f;
	const char   *what;

	(void)state;
	assert_int_equal(folder_open(&f, home, BYTES("Junk"), &what), 0);
	assert_int_equal(mode_of("Maildir"), S_IFDIR | 0700);
	assert_int_equal(mode_of("Maildir/.Junk"), S_IFDIR | 0700);
	assert_int_equal(mode_of("Maildir/.Junk/tmp"), S_IFDIR | 0700);
	assert_int_equal(mode_of("Maildir/.Junk/new"), S_IFDIR | 0700);
	assert_int_equal(mode_of("Maildir/.Junk/cur"), S_IFDIR | 0700);
	assert_int_equal(mode_of("Maildir/.Junk/maildirfolder"), S_IFREG | 0600);
	assert_true(folder_is_current(&f));
	folder_close(&f);
	folder_close(&f);
	assert_int_equal(folder_open(&f, home, BYTES("Junk"), &what), 0);
	folder_close(&f);
}

static void
test_no_home(void **state)
{
	struct folder f;
	const char   *what;
	char          path[PATH_TEXT];

	(void)state;
	path_at(path, "none");
	assert_int_equal(folder_open(&f, path, BYTES(""), &what), -1);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(what, "the home folder");
	path_at(path, "");
	assert_int_equal(count(""), 0); /* nothing was made */
}

/* Below the home no link is followed, wherever it stands. */
static void
test_links(void **state)
{
	static const struct {
		const char *link;
		const char *before[3]; /* folders made before */
		const char *name;
		const char *what;
	} rows[] = {
		{ "a/Maildir", { "a" }, "", "Maildir" },
		{ "b/Maildir/tmp", { "b", "b/Maildir" }, "", "Maildir/tmp" },
		{ "c/Maildir/new", { "c", "c/Maildir" }, "", "Maildir/new" },
		{ "d/Maildir/cur", { "d", "d/Maildir" }, "", "Maildir/cur" },
		{ "e/Maildir/.Junk", { "e", "e/Maildir" }, "Junk",
		    "the folder in Maildir" },
		{ "f/Maildir/.Junk/new",
		    { "f", "f/Maildir", "f/Maildir/.Junk" }, "Junk",
		    "Maildir/new" },
	};
	struct folder f;
	char          target[PATH_TEXT];

	(void)state;
	make("target");
	path_at(target, "target");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char        path[PATH_TEXT];
		const char *what;

		for (size_t k = 0; k < 3 && rows[i].before[k]; k++)
			make(rows[i].before[k]);
		path_at(path, rows[i].link);
		assert_int_equal(symlink(target, path), 0);
		path_at(path, rows[i].before[0]);
		assert_int_equal(
		    folder_open(&f, path, bytes_of(rows[i].name), &what), -1);
		assert_true(errno == ENOTDIR || errno == ELOOP);
		assert_string_equal(what, rows[i].what);
	}
	assert_int_equal(count("target"), 0);
}

static void
test_bad_names(void **state)
{
	static const char *const names[] = { ".", "../x", "a/b", ".." };
	struct folder            f;
	const char              *what;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_int_equal(
		    folder_open(&f, home, bytes_of(names[i]), &what), -1);
		assert_int_equal(errno, EINVAL);
	}
}

/* A folder that somebody moved is not delivered into any more. */
static void
test_moved(void **state)
{
	static struct users u;
	const struct user  *joe;
	struct folder      *f;
	const char         *what;
	char                from[PATH_TEXT], to[PATH_TEXT];

	(void)state;
	assert_true(users_add(&u, BYTES("joe"), bytes_of(home), BYTES("")));
	assert_null(users_find(&u, BYTES("ann")));
	joe = users_find(&u, BYTES("joe"));
	assert_non_null(joe);
	users_begin_batch(&u);
	f = users_folder(&u, joe, false, BYTES("Junk"), &what);
	assert_non_null(f);
	users_begin_batch(&u);
	assert_ptr_equal(users_folder(&u, joe, false, BYTES("Junk"), &what), f);
	assert_true(users_folder(&u, joe, true, BYTES("Junk"), &what) != f);

	path_at(from, "Maildir");
	path_at(to, "Maildir.old");
	assert_int_equal(rename(from, to), 0);
	assert_false(folder_is_current(f));
	users_begin_batch(&u);
	f = users_folder(&u, joe, false, BYTES("Junk"), &what);
	assert_non_null(f);
	assert_true(folder_is_current(f));
	assert_int_equal(mode_of("Maildir/new"), S_IFDIR | 0700);
	users_finish(&u);
}

/* More users than folders may be open: the oldest makes room. */
static void
test_many(void **state)
{
	static struct users u;
	const char         *what;

	(void)state;
	for (int i = 0; i < FOLDERS_OPEN + 10; i++) {
		static const char *const parts[] = { "", "/Maildir",
			"/Maildir/tmp", "/Maildir/new", "/Maildir/cur" };
		char           name[16], path[PATH_TEXT];
		struct folder *f;

		snprintf(name, sizeof name, "u%d", i);
		for (size_t k = 0; k < 5; k++) {
			snprintf(path, sizeof path, "%s%s", name, parts[k]);
			make(path);
		}
		path_at(path, name);
		assert_true(
		    users_add(&u, bytes_of(name), bytes_of(path), BYTES("")));
		users_begin_batch(&u);
		f = users_folder(&u, users_find(&u, bytes_of(name)), false,
		    BYTES(""), &what);
		assert_non_null(f);
		assert_true(folder_is_current(f));
	}
	for (int i = 0; i < FOLDERS_OPEN; i++)
		assert_non_null(u.open[i].user);
	users_finish(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_made, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_no_home, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_links, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_bad_names, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_moved, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_many, make_home, remove_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
