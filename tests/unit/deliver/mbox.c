#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "deliver/mbox.h"
#include "home.h"
#include "io/file.h"

static int          home_fd;
static struct trace trace;

static int
set_up(void **state)
{
	if (make_home(state) == -1)
		return -1;
	home_fd = open(home, O_PATH | O_DIRECTORY);
	trace_make(&trace, BYTES("ann@far.example"), BYTES("joe@x.example"), 0);
	return home_fd == -1;
}

static int
tear_down(void **state)
{
	close(home_fd);
	return remove_home(state);
}

static int
body_of(struct bytes text)
{
	int fd = memfd_create("body", MFD_CLOEXEC);

	assert_int_equal(write(fd, text.p, text.n), text.n);
	return fd;
}

static enum mbox_result
deliver_body(const char *path, int body, size_t n, struct mbox_problem *problem)
{
	enum mbox_result result = MBOX_DEFERRED;
	int              mbox = mbox_open(home_fd, bytes_of(path), problem);

	if (mbox != -1) {
		result = mbox_deliver(mbox, body, n, &trace, problem);
		close(mbox);
	}
	return result;
}

static enum mbox_result
deliver(const char *path, struct bytes text, struct mbox_problem *problem)
{
	int              body = body_of(text);
	enum mbox_result result = deliver_body(path, body, text.n, problem);

	close(body);
	return result;
}

static void
expect_content(const char *below, const char *content)
{
	char       path[PATH_TEXT];
	struct buf b;

	path_at(path, below);
	buf_init(&b, 1 << 20);
	assert_int_equal(file_read(path, &b, NULL), 0);
	assert_string_equal(buf_string(&b), content);
	buf_finish(&b);
}

#define HEAD \
	"From ann@far.example Thu Jan  1 00:00:00 1970\n" \
	"Return-Path: <ann@far.example>\n" \
	"Delivered-To: joe@x.example\n"

static void
test_delivered(void **state)
{
	struct mbox_problem problem;
	struct stat         st;
	char                path[PATH_TEXT];

	(void)state;
	assert_int_equal(deliver("Mailbox", BYTES("Subject: a\n\nFrom b\n"),
	    &problem), MBOX_DELIVERED);
	assert_int_equal(deliver("Mailbox", BYTES("Subject: c\n\nno end"),
	    &problem), MBOX_DELIVERED);
	expect_content("Mailbox", HEAD "Subject: a\n\n>From b\n\n"
	    HEAD "Subject: c\n\nno end\n\n");
	path_at(path, "Mailbox");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
}

/* Pieces are read one after the other. */
static void
test_large(void **state)
{
	static char         text[300 * 1000];
	struct mbox_problem problem;
	struct stat         st;
	char                path[PATH_TEXT];

	(void)state;
	memset(text, '\n', sizeof text);
	for (size_t i = 0; i + 6 < sizeof text; i += 6)
		memcpy(text + i, "From \n", 6);
	assert_int_equal(deliver("Mailbox", (struct bytes){ text, sizeof text },
	    &problem), MBOX_DELIVERED);
	path_at(path, "Mailbox");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size,
	    sizeof HEAD - 1 + sizeof text + sizeof text / 6 - 1 + 1);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *path, *text;
	} rows[] = {
		{ "fifo", "fifo: No such device or address" },
		{ "folder", "folder: Is a directory" },
		{ "link", "link: has a symbolic link on its way" },
		{ "hard", "hard: has another name" },
		{ "open", "open: may be written by its group or others" },
		{ "missing/x", "missing/x: No such file or directory" },
		{ "../x", "../x: lies outside of the home" },
	};
	char path[PATH_TEXT], other[PATH_TEXT];

	(void)state;
	path_at(path, "fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	path_at(path, "folder");
	assert_int_equal(mkdir(path, 0700), 0);
	path_at(path, "file");
	close(open(path, O_CREAT | O_WRONLY, 0600));
	path_at(other, "link");
	assert_int_equal(symlink(path, other), 0);
	path_at(other, "hard");
	assert_int_equal(link(path, other), 0);
	path_at(other, "open");
	close(open(other, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(chmod(other, 0620), 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mbox_problem problem;

		assert_int_equal(deliver(rows[i].path, BYTES("x\n"), &problem),
		    MBOX_DEFERRED);
		assert_string_equal(problem.text, rows[i].text);
	}
	expect_content("file", "");
}

/* A FIFO that somebody reads opens, and is refused all the same. */
static void
test_read_fifo(void **state)
{
	struct mbox_problem problem;
	char                path[PATH_TEXT];
	int                 reader;

	(void)state;
	path_at(path, "fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	assert_int_equal(mbox_open(home_fd, BYTES("fifo"), &problem), -1);
	assert_string_equal(problem.text, "fifo: is no regular file");
	close(reader);
}

static void
test_somebody_elses(void **state)
{
	struct mbox_problem problem;
	char                path[PATH_TEXT];

	(void)state;
	if (geteuid() != 0)
		skip();
	path_at(path, "theirs");
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(deliver("theirs", BYTES("x\n"), &problem), MBOX_DEFERRED);
	assert_string_equal(problem.text, "theirs: belongs to somebody else");
}

/* Its lock is not waited for; and what it became meanwhile is seen. */
static void
test_lock(void **state)
{
	struct mbox_problem problem;
	char                path[PATH_TEXT], other[PATH_TEXT];
	int                 mbox, reader, body = body_of(BYTES("x\n"));

	(void)state;
	mbox = mbox_open(home_fd, BYTES("Mailbox"), &problem);
	path_at(path, "Mailbox");
	reader = open(path, O_RDONLY);
	assert_int_equal(flock(reader, LOCK_SH), 0);
	assert_int_equal(
	    mbox_deliver(mbox, body, 2, &trace, &problem), MBOX_LOCKED);
	expect_content("Mailbox", "");
	path_at(other, "other");
	assert_int_equal(link(path, other), 0);
	close(reader);
	assert_int_equal(
	    mbox_deliver(mbox, body, 2, &trace, &problem), MBOX_DEFERRED);
	assert_string_equal(problem.text, "the mbox: has another name");
	assert_int_equal(unlink(other), 0);
	assert_int_equal(
	    mbox_deliver(mbox, body, 2, &trace, &problem), MBOX_DELIVERED);
	expect_content("Mailbox", HEAD "x\n\n");
	close(mbox);
	close(body);
}

/* What does not fit leaves nothing behind: here the file may not grow further. */
static void
test_taken_back(void **state)
{
	static char         text[100 * 1000];
	struct mbox_problem problem;
	struct rlimit       before, limit;
	int                 body;

	(void)state;
	memset(text, 'x', sizeof text);
	body = body_of((struct bytes){ text, sizeof text });
	assert_int_equal(deliver("Mailbox", BYTES("a\n"), &problem), MBOX_DELIVERED);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 50 * 1000;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(
	    deliver_body("Mailbox", body, sizeof text, &problem), MBOX_DEFERRED);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	close(body);
	assert_string_equal(problem.text, "the mbox: File too large");
	expect_content("Mailbox", HEAD "a\n\n");
}

/* A body that is shorter than it should be is no message. */
static void
test_short_body(void **state)
{
	struct mbox_problem problem;
	int mbox = mbox_open(home_fd, BYTES("Mailbox"), &problem);
	int body = body_of(BYTES("x\n"));

	(void)state;
	assert_int_equal(
	    mbox_deliver(mbox, body, 100, &trace, &problem), MBOX_DEFERRED);
	expect_content("Mailbox", "");
	close(mbox);
	close(body);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOME(test_delivered),
		IN_HOME(test_large),
		IN_HOME(test_refused),
		IN_HOME(test_read_fifo),
		IN_HOME(test_somebody_elses),
		IN_HOME(test_lock),
		IN_HOME(test_taken_back),
		IN_HOME(test_short_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
