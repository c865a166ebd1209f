#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"

/* Every test runs inside a fresh folder. */
static int
enter_folder(void **state)
{
	char *folder = strdup("/tmp/ampel-file-XXXXXX");

	*state = folder;
	return folder && mkdtemp(folder) ? chdir(folder) : -1;
}

static int
leave_folder(void **state)
{
	char command[64];

	snprintf(command, sizeof command, "rm -r %s", (char *)*state);
	free(*state);
	return chdir("/") == 0 ? system(command) : -1;
}

static unsigned
files_here(void)
{
	DIR     *dir = opendir(".");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void
put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(file_write_all(fd, bytes_of(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
assert_file(const char *path, const char *expected, mode_t mode)
{
	struct buf  b;
	struct stat st;

	buf_init(&b, 1024);
	assert_int_equal(file_read(path, &b, &st), 0);
	assert_string_equal(buf_string(&b), expected);
	assert_int_equal(st.st_mode & 07777, mode);
	buf_finish(&b);
}

static void
reads_what_fits(void **state)
{
	static const struct {
		const char *text;
		size_t      max;
		int         error;
	} rows[] = {
		{ "", 0, 0 },
		{ "", 10, 0 },
		{ "12345", 5, 0 },
		{ "12345", 6, 0 },
		{ "12345", 4, EFBIG },
		{ "12345", 0, EFBIG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf b;

		put("f", rows[i].text, 0600);
		buf_init(&b, rows[i].max + 2);
		buf_add_string(&b, "<>");
		errno = 0;
		assert_int_equal(file_read("f", &b, NULL), rows[i].error ? -1 : 0);
		assert_int_equal(errno, rows[i].error);
		/* Appended, or nothing. */
		assert_int_equal(b.len, 2 + (rows[i].error ? 0 : strlen(rows[i].text)));
		assert_memory_equal(b.p, "<>", 2);
		buf_finish(&b);
		unlink("f");
	}
}

static void
reads_regular_files_alone(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1024 * 1024);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(file_read("fifo", &b, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(file_read("/dev/zero", &b, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(file_read(".", &b, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(file_read("missing", &b, NULL), -1);
	assert_int_equal(errno, ENOENT);
	/* Files of /proc say that they are empty and are not. */
	assert_int_equal(file_read("/proc/self/status", &b, NULL), 0);
	assert_true(b.len > 100);
	buf_finish(&b);
}

static void
replaces_whole_files(void **state)
{
	char *folder = *state;
	char  path[64];

	assert_int_equal(file_replace("new", BYTES("one"), 0640), 0);
	assert_file("new", "one", 0640);
	put("old", "before", 0604);
	assert_int_equal(file_replace("old", BYTES("after"), 0640), 0);
	assert_file("old", "after", 0604); /* its mode is kept */
	snprintf(path, sizeof path, "%s/old", folder);
	assert_int_equal(file_replace(path, BYTES("again"), 0640), 0);
	assert_file("old", "again", 0604);
	assert_int_equal(files_here(), 2);
}

static void
replaces_behind_a_link(void **state)
{
	struct stat st;

	(void)state;
	put("real", "before", 0600);
	assert_int_equal(symlink("real", "link"), 0);
	assert_int_equal(file_replace("link", BYTES("after"), 0600), 0);
	assert_file("real", "after", 0600);
	assert_int_equal(lstat("link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void
keeps_the_owner(void **state)
{
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	put("f", "before", 06755);
	assert_int_equal(chown("f", 1234, 4321), 0);
	assert_int_equal(chmod("f", 06755), 0);
	assert_int_equal(file_replace("f", BYTES("after"), 0600), 0);
	assert_file("f", "after", 06755);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 4321);
}

static void
failing_it_leaves_no_trace(void **state)
{
	(void)state;
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_int_equal(file_replace("folder", BYTES("x"), 0600), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(file_replace("missing/f", BYTES("x"), 0600), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(file_replace("fifo", BYTES("x"), 0600), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(files_here(), 2);
}

static void
locks_exclude(void **state)
{
	int a = file_lock("f", 0), b;

	(void)state;
	assert_int_not_equal(a, -1);
	assert_int_equal(access("f.lock", F_OK), 0);
	assert_int_equal(file_lock("f", 50), -1);
	assert_int_equal(errno, ETIMEDOUT);
	close(a);
	b = file_lock("f", 0);
	assert_int_not_equal(b, -1);
	assert_int_equal(fcntl(b, F_GETFD), FD_CLOEXEC);
	close(b);
	assert_int_equal(file_lock("missing/f", 0), -1);
	assert_int_equal(errno, ENOENT);
}

static void
makes_folders(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(file_make_folders("a/b//c/", 0700), 0);
	assert_int_equal(stat("a/b/c", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(file_make_folders("a/b/c", 0700), 0);
	put("f", "", 0600);
	assert_int_equal(file_make_folders("f", 0700), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(file_make_folders("f/g", 0700), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(file_make_folders("/", 0700), 0);
}

static void
moves_over_nothing(void **state)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	put("a", "a", 0600);
	put("b", "b", 0600);
	assert_int_equal(file_move(here, "a", here, "b"), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(file_move(here, "a", here, "c"), 0);
	assert_int_equal(access("a", F_OK), -1);
	assert_int_equal(access("c", F_OK), 0);
	assert_int_equal(file_move(here, "a", here, "d"), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(files_here(), 2);
	close(here);
}

static void
sets_nonblocking(void **state)
{
	int pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(file_set_nonblocking(pipes[1], true), 0);
	assert_int_equal(fcntl(pipes[1], F_GETFL), O_WRONLY | O_NONBLOCK);
	assert_int_equal(file_set_nonblocking(pipes[1], false), 0);
	assert_int_equal(fcntl(pipes[1], F_GETFL), O_WRONLY);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(file_set_nonblocking(pipes[1], true), -1);
}

static void
on_alarm(int signal)
{
	(void)signal;
}

/* Into a pipe whose reader sleeps, under a timer: writes are short and interrupted. */
static void
writes_all(void **state)
{
	enum { SIZE = 1024 * 1024 };
	static char      content[SIZE], got[SIZE + 1];
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { 0 };
	int              pipes[2], status, fd;
	size_t           n = 0;
	pid_t            writer;

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		content[i] = (char)(i * 13 + i / 509);
	assert_int_equal(pipe(pipes), 0);
	writer = fork();
	if (writer == 0) {
		sigaction(SIGALRM, &action, NULL);
		setitimer(ITIMER_REAL, &often, NULL);
		status = file_write_all(pipes[1], (struct bytes){ content, SIZE });
		setitimer(ITIMER_REAL, &never, NULL);
		_exit(status == 0 ? 0 : 1);
	}
	close(pipes[1]);
	usleep(20 * 1000);
	for (ssize_t more; (more = read(pipes[0], got + n, SIZE + 1 - n)) > 0;)
		n += (size_t)more;
	assert_int_equal(n, SIZE);
	assert_memory_equal(got, content, SIZE);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_int_equal(status, 0);
	close(pipes[0]);
	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(file_write_all(fd, BYTES("x")), -1);
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

int
main(void)
{
#define HERE(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)
	const struct CMUnitTest tests[] = {
		HERE(reads_what_fits),
		HERE(reads_regular_files_alone),
		HERE(replaces_whole_files),
		HERE(replaces_behind_a_link),
		HERE(keeps_the_owner),
		HERE(failing_it_leaves_no_trace),
		HERE(locks_exclude),
		HERE(makes_folders),
		HERE(moves_over_nothing),
		HERE(sets_nonblocking),
		HERE(writes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
