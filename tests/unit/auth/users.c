#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>

#include "auth/users.h"
#include "io/memfile.h"

#include "house.h"

static struct users users;
static int          log_fd, old_stderr;

static int
set_up(void **state)
{
	if (open_house(state) != 0)
		return -1;
	put_users();
	users_init(&users, shadow_path);
	log_fd = memfile_new("log");
	old_stderr = dup(STDERR_FILENO);
	return dup2(log_fd, STDERR_FILENO) == -1;
}

static int
tear_down(void **state)
{
	dup2(old_stderr, STDERR_FILENO);
	close(old_stderr);
	close(log_fd);
	users_finish(&users);
	return close_house(state);
}

/* How many lines were logged; text is in the last. */
static size_t
logged(const char *text)
{
	struct buf b;
	size_t     n = 0;

	buf_init(&b, 64 * 1024);
	assert_int_equal(memfile_read(log_fd, 0, &b), 0);
	if (text)
		assert_non_null(strstr(buf_string(&b), text));
	for (size_t i = 0; i < b.len; i++)
		n += b.p[i] == '\n';
	buf_finish(&b);
	return n;
}

static bool
knows(const char *name)
{
	return users_find(&users, bytes_of(name)) != NULL;
}

static void
finds(void **state)
{
	const struct shadow_entry *entry;

	(void)state;
	assert_true(users_refresh(&users));
	entry = users_find(&users, BYTES("bob"));
	assert_non_null(entry);
	assert_true(bytes_equal(entry->hash, bytes_of(hash_of("bob-secret"))));
	assert_int_equal(entry->expire_day, 100000);
	assert_true(knows("alice") && knows("locked") && knows("star"));
	assert_false(knows("carol") || knows("") || knows("alic"));
	assert_true(bytes_equal(users.like, bytes_of(hash_of("alice-secret"))));
	assert_int_equal(logged(NULL), 0);
}

/* In place and by another file: the next question knows. */
static void
changes(void **state)
{
	int fd;

	(void)state;
	assert_true(users_refresh(&users));
	fd = open(shadow_path, O_WRONLY | O_APPEND);
	assert_int_equal(file_write_all(fd, BYTES("carol:!:::::::\n")), 0);
	close(fd);
	assert_true(users_refresh(&users));
	assert_true(knows("carol") && knows("alice"));
	put_file(shadow_path, "dave:*:::::::\nerin:$5$x:::::::\n", 0600);
	assert_true(users_refresh(&users));
	assert_true(knows("dave"));
	assert_false(knows("alice"));
	/* a locked user has no hash that others could look like */
	assert_true(bytes_equal(users.like, BYTES("$5$x")));
	put_file(shadow_path, "", 0600);
	assert_true(users_refresh(&users));
	assert_false(knows("dave"));
	assert_int_equal(users.like.n, 0);
	assert_int_equal(logged(NULL), 0);
}

/* It is read only when it is another: the same memory is there. */
static void
unchanged_is_not_read(void **state)
{
	const struct shadow_entry *entry;

	(void)state;
	assert_true(users_refresh(&users));
	entry = users_find(&users, BYTES("alice"));
	((char *)(uintptr_t)entry->hash.p)[0] = 'X'; /* would not outlive a reading */
	assert_true(users_refresh(&users));
	assert_int_equal(users_find(&users, BYTES("alice"))->hash.p[0], 'X');
}

static void
unfit_files(void **state)
{
	static const struct {
		mode_t      mode;
		const char *text; /* NULL: fit */
	} rows[] = {
		{ 0600, NULL },
		{ 0640, NULL },
		{ 0644, "others may read or write it" },
		{ 0602, "others may read or write it" },
		{ 0666, "others may read or write it" },
		{ 0400, NULL },
	};
	size_t lines = 0;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bool fit = rows[i].text == NULL;

		assert_int_equal(chmod(shadow_path, rows[i].mode), 0);
		for (int times = 0; times < 3; times++)
			assert_int_equal(users_refresh(&users), fit);
		assert_int_equal(knows("alice"), fit);
		/* it is said once, until all is well again */
		if (!fit && (i == 0 || rows[i - 1].text == NULL))
			lines++;
		assert_int_equal(logged(rows[i].text), lines);
	}
}

static void
links_and_no_files(void **state)
{
	char target[160];

	(void)state;
	snprintf(target, sizeof target, "%s.target", shadow_path);
	assert_int_equal(rename(shadow_path, target), 0);
	assert_false(users_refresh(&users));
	assert_int_equal(logged("there is none"), 1);
	assert_int_equal(symlink(target, shadow_path), 0);
	assert_false(users_refresh(&users));
	assert_int_equal(logged("symbolic link"), 2);
	unlink(shadow_path);
	assert_int_equal(mkfifo(shadow_path, 0600), 0);
	assert_false(users_refresh(&users)); /* and does not block */
	unlink(shadow_path);
	assert_int_equal(mkdir(shadow_path, 0700), 0);
	assert_false(users_refresh(&users));
	assert_int_equal(rmdir(shadow_path), 0);
	assert_int_equal(rename(target, shadow_path), 0);
	assert_true(users_refresh(&users));
	assert_true(knows("alice"));
}

static void
broken_lines(void **state)
{
	(void)state;
	put_file(shadow_path, "# comment\nalice:first:::::::\nnonsense\n"
	                      "alice:second:::::::\n:x:::::::\nbob:b:::::::", 0600);
	for (int times = 0; times < 2; times++)
		assert_true(users_refresh(&users));
	assert_int_equal(logged("line 3"), 1);
	assert_true(knows("bob"));
	assert_true(bytes_equal(
	    users_find(&users, BYTES("alice"))->hash, BYTES("first")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds),
		TEST(changes),
		TEST(unchanged_is_not_read),
		TEST(unfit_files),
		TEST(links_and_no_files),
		TEST(broken_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
