#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>

#include "deliver/beneath.h"
#include "deliver/folder.h"
#include "home.h"

static void
test_paths(void **state)
{
	static const struct {
		const char *line, *home, *path;
	} rows[] = {
		{ "./Mailbox", "/home/joe", "Mailbox" },
		{ "./mail//x", "/home/joe", "mail//x" },
		{ ".///./x", "/home/joe", "x" },
		{ ".hidden", "/home/joe", ".hidden" },
		{ "..", "/home/joe", ".." },
		{ "../ann/Mailbox", "/home/joe", "../ann/Mailbox" },
		{ ".", "/home/joe", "." },
		{ "./", "/home/joe", "." },
		{ "/home/joe/Mailbox", "/home/joe", "Mailbox" },
		{ "/home/joe//Mailbox", "/home/joe/", "Mailbox" },
		{ "/home/joe", "/home/joe", "." },
		{ "/x", "/", "x" },
		{ "/home/joey/Mailbox", "/home/joe", NULL },
		{ "/home/ann/Mailbox", "/home/joe", NULL },
		{ "/dev/null", "/home/joe", NULL },
		{ "/", "/home/joe", NULL },
		{ "", "/home/joe", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes path = BYTES("");
		bool         is = beneath_path(
                    bytes_of(rows[i].line), rows[i].home, &path);

		assert_int_equal(is, rows[i].path != NULL);
		assert_true(bytes_equal(path, bytes_of(rows[i].path)));
	}
}

static void
make(const char *below, mode_t kind, const char *target)
{
	char path[PATH_TEXT];

	path_at(path, below);
	if (kind == S_IFDIR)
		assert_int_equal(mkdir(path, 0700), 0);
	else if (kind == S_IFLNK)
		assert_int_equal(symlink(target, path), 0);
	else
		close(open(path, O_CREAT | O_WRONLY, 0600));
}

static void
test_open(void **state)
{
	static const struct {
		const char *path;
		int         flags, error;
		const char *problem;
	} rows[] = {
		{ "file", O_WRONLY, 0, NULL },
		{ "folder/../file", O_WRONLY, 0, NULL },
		{ ".", O_RDONLY | O_DIRECTORY, 0, NULL },
		{ "..", O_RDONLY | O_DIRECTORY, EXDEV, "lies outside of the home" },
		{ "folder/../../x", O_WRONLY | O_CREAT, EXDEV,
		    "lies outside of the home" },
		{ "/etc/passwd", O_RDONLY, EXDEV, "lies outside of the home" },
		{ "link", O_WRONLY, ELOOP, "has a symbolic link on its way" },
		{ "dangling", O_WRONLY | O_CREAT, ELOOP,
		    "has a symbolic link on its way" },
		{ "way/file", O_WRONLY | O_CREAT, ELOOP,
		    "has a symbolic link on its way" },
		{ "missing", O_WRONLY, ENOENT, "No such file or directory" },
		{ "missing/file", O_WRONLY | O_CREAT, ENOENT,
		    "No such file or directory" },
	};
	int fd, in;

	(void)state;
	make("file", S_IFREG, NULL);
	make("folder", S_IFDIR, NULL);
	make("link", S_IFLNK, "file");
	make("dangling", S_IFLNK, "/tmp/ampel-never-made");
	make("way", S_IFLNK, ".");
	in = open(home, O_PATH | O_DIRECTORY);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		errno = 0;
		fd = beneath_open(
		    in, bytes_of(rows[i].path), rows[i].flags, 0600);
		assert_int_equal(fd != -1, rows[i].error == 0);
		if (fd == -1) {
			assert_int_equal(errno, rows[i].error);
			assert_string_equal(
			    beneath_problem(errno), rows[i].problem);
		} else {
			assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
			close(fd);
		}
	}
	close(in);
	assert_int_equal(access("/tmp/ampel-never-made", F_OK), -1);
}

/* A Maildir that a line names is there already, whole, and no part of it a link. */
static void
test_maildirs(void **state)
{
	static const char *const parts[] = { "m", "m/tmp", "m/cur", "m/new" };
	struct folder f;
	const char   *what;
	int           in = open(home, O_PATH | O_DIRECTORY);

	(void)state;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		assert_int_equal(
		    folder_open_beneath(&f, in, BYTES("m"), &what), -1);
		assert_int_equal(errno, ENOENT);
		make(parts[i], S_IFDIR, NULL);
	}
	assert_int_equal(folder_open_beneath(&f, in, BYTES("m"), &what), 0);
	assert_false(folder_is_current(&f));
	folder_close(&f);
	make("linked", S_IFDIR, NULL);
	make("linked/tmp", S_IFDIR, NULL);
	make("linked/cur", S_IFDIR, NULL);
	make("linked/new", S_IFLNK, "../m/new");
	assert_int_equal(
	    folder_open_beneath(&f, in, BYTES("linked"), &what), -1);
	assert_string_equal(what, "Maildir/new");
	close(in);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, make_home, remove_home)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		IN_HOME(test_open),
		IN_HOME(test_maildirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
