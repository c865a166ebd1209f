#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/child.h"
#include "io/memfile.h"

struct seen {
	unsigned         ended;
	struct child_end end;
};

static void
on_ended(struct child *child, struct child_end end, void *context)
{
	struct seen *seen = context;

	seen->ended++;
	seen->end = end;
	/* It is reaped: nobody else must be hit. */
	child_signal(child, SIGKILL);
	child_signal_group(child, SIGKILL);
	child_close(child);
}

static struct child *
shell(uv_loop_t *loop, const char *script, const int *fds, size_t n_fds,
    child_ended *ended, void *context)
{
	const char *const       argv[] = { "sh", "-c", script, NULL };
	const char *const       env[] = { "PATH=/bin:/usr/bin", NULL };
	const struct child_spec spec = {
		.path = "/bin/sh",
		.argv = argv,
		.env = env,
		.fds = fds,
		.n_fds = n_fds,
	};

	return child_start(loop, &spec, ended, context);
}

static void
finish(uv_loop_t *loop)
{
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
	/* Nothing is left behind, dead or alive. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* What a script prints: its 1 is a memory file. */
static void
assert_prints(const char *script, int *fds, size_t n_fds, const char *expected)
{
	struct seen seen = { 0 };
	uv_loop_t   loop;
	struct buf  b;

	uv_loop_init(&loop);
	buf_init(&b, 4096);
	fds[1] = memfile_new("output");
	assert_non_null(shell(&loop, script, fds, n_fds, on_ended, &seen));
	finish(&loop);
	assert_int_equal(seen.ended, 1);
	assert_int_equal(memfile_read(fds[1], 0, &b), 0);
	assert_string_equal(buf_string(&b), expected);
	buf_finish(&b);
	close(fds[1]);
}

static void
ends_are_told(void **state)
{
	static const struct {
		const char      *script;
		struct child_end end;
	} rows[] = {
		{ "exit 0", { true, 0 } },
		{ "exit 100", { true, 100 } },
		{ "exit 255", { true, 255 } },
		{ "kill -TERM $$", { false, SIGTERM } },
		{ "kill -KILL $$", { false, SIGKILL } },
		{ "kill -PIPE $$", { false, SIGPIPE } },
	};
	const int fds[] = { -1, -1, 2 };

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct seen seen = { 0 };
		uv_loop_t   loop;

		uv_loop_init(&loop);
		assert_non_null(shell(&loop, rows[i].script, fds, 3, on_ended, &seen));
		finish(&loop);
		assert_int_equal(seen.ended, 1);
		assert_int_equal(seen.end.exited, rows[i].end.exited);
		assert_int_equal(seen.end.code, rows[i].end.code);
	}
}

static void
a_failed_start_says_why(void **state)
{
	static const struct {
		const char *path;
		size_t      n_fds;
		int         error;
	} rows[] = {
		{ "/missing/program", 0, ENOENT },
		{ "/etc/passwd", 0, EACCES },
		{ "/bin/sh", 1, EBADF },
		{ "/bin/sh", CHILD_FDS_MAX + 1, EINVAL },
	};
	const char *const argv[] = { "x", NULL };
	int               fds[CHILD_FDS_MAX + 1] = { 999 };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct child_spec spec = {
			.path = rows[i].path,
			.argv = argv,
			.fds = fds,
			.n_fds = rows[i].n_fds,
		};
		struct seen             seen = { 0 };
		uv_loop_t               loop;

		uv_loop_init(&loop);
		errno = 0;
		assert_null(child_start(&loop, &spec, on_ended, &seen));
		assert_int_equal(errno, rows[i].error);
		finish(&loop);
		assert_int_equal(seen.ended, 0);
	}
}

static void
only_named_descriptors(void **state)
{
	int fds[5] = { -1, -1, 2, -1, -1 };
	int leak = fcntl(0, F_DUPFD, 20);

	(void)state;
	assert_prints("ls /proc/$$/fd; :", fds, 3, "0\n1\n2\n");
	assert_prints("ls /proc/$$/fd; :", fds, 5, "0\n1\n2\n3\n4\n");
	assert_prints("ls /proc/$$/fd >&1; :", fds, 2, "0\n1\n");
	close(leak);
}

/* Three descriptors whose numbers are also targets, in every order. */
static void
numbers_may_overlap(void **state)
{
	static const int orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
		{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 }, { 1, 1, 1 } };
	static const char *const texts[] = { "a", "b", "c" };
	int                      files[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		files[i] = memfile_of("letter", bytes_of(texts[i]));
	assert_true(files[2] < 10); /* one digit, for the shell */
	for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
		int  fds[CHILD_FDS_MAX];
		char script[200], expected[8];

		memset(fds, -1, sizeof fds);
		for (int k = 0; k < 3; k++)
			fds[files[k]] = files[orders[i][k]];
		/* By /proc each opens it anew: the file offset is shared. */
		snprintf(script, sizeof script,
		    "cat /proc/$$/fd/%d /proc/$$/fd/%d /proc/$$/fd/%d; :", files[0],
		    files[1], files[2]);
		snprintf(expected, sizeof expected, "%s%s%s", texts[orders[i][0]],
		    texts[orders[i][1]], texts[orders[i][2]]);
		assert_prints(script, fds, (size_t)files[2] + 1, expected);
	}
	for (int i = 0; i < 3; i++)
		close(files[i]);
}

/* Our 1 as the child's 0 and the reverse. */
static void
standard_descriptors_may_swap(void **state)
{
	int fds[] = { -1, -1, 0 };
	int in = memfile_of("in", BYTES("in")), saved = dup(0);

	(void)state;
	assert_int_equal(dup2(in, 0), 0);
	assert_prints("cat /proc/$$/fd/2; :", fds, 3, "in");
	dup2(saved, 0);
	close(saved);
	close(in);
}

static void
signals_are_as_new(void **state)
{
	int      fds[] = { -1, -1, 2 };
	sigset_t blocked, old;

	(void)state;
	sigfillset(&blocked);
	sigprocmask(SIG_BLOCK, &blocked, &old);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* Signals 1 to 31: glibc leaves its own, 32 and 33, ignored. */
	assert_prints("while read -r name mask; do case $name in SigBlk:|SigIgn:)"
	              " echo $name $((0x$mask & 0x7fffffff));; esac; done"
	              " </proc/$$/status",
	    fds, 3, "SigBlk: 0\nSigIgn: 0\n");
	signal(SIGHUP, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void
environment_is_as_named(void **state)
{
	const char *const argv[] = { "env", NULL };
	const char *const env[] = { "A=b", NULL };
	const char *const *const envs[] = { NULL, env };
	const char *const expected[] = { "", "A=b\n" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		int                     fds[] = { -1, memfile_new("output"), 2 };
		const struct child_spec spec = {
			.path = "/usr/bin/env",
			.argv = argv,
			.env = envs[i],
			.fds = fds,
			.n_fds = 3,
		};
		struct seen             seen = { 0 };
		struct buf              b;
		uv_loop_t               loop;

		uv_loop_init(&loop);
		buf_init(&b, 1024);
		assert_non_null(child_start(&loop, &spec, on_ended, &seen));
		finish(&loop);
		assert_int_equal(memfile_read(fds[1], 0, &b), 0);
		assert_string_equal(buf_string(&b), expected[i]);
		buf_finish(&b);
		close(fds[1]);
	}
}

static void
starts_where_it_is_told_with_its_limit(void **state)
{
	const char *const argv[] = { "sh", "-c", "pwd; ulimit -Sn; ls /proc/$$/fd",
		NULL };
	int fds[] = { -1, memfile_new("output"), 2 };
	int folder = open("/usr/bin", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct child_spec spec = {
		.path = "/bin/sh",
		.argv = argv,
		.env = (const char *const[]){ "PATH=/bin:/usr/bin", NULL },
		.fds = fds,
		.n_fds = 3,
		.folder = &folder,
		.open_files = 100,
	};
	struct seen   seen = { 0 };
	struct rlimit before, after;
	struct buf    b;
	uv_loop_t     loop;

	(void)state;
	uv_loop_init(&loop);
	buf_init(&b, 1024);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(before.rlim_cur > 100);
	assert_non_null(child_start(&loop, &spec, on_ended, &seen));
	finish(&loop);
	assert_int_equal(memfile_read(fds[1], 0, &b), 0);
	assert_string_equal(buf_string(&b), "/usr/bin\n100\n0\n1\n2\n");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
	assert_int_equal(after.rlim_cur, before.rlim_cur);
	buf_finish(&b);
	close(folder);
	close(fds[1]);
}

/* The end of file of a pipe that only the child and its children hold. */
static bool
everyone_is_gone(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char          c;

	while (poll(&p, 1, timeout_ms) == 1)
		if (read(fd, &c, 1) == 0)
			return true;
	return false;
}

static void
signals_reach_the_group(void **state)
{
	enum how { SIGNAL, GROUP, CLOSE };
	static const struct {
		enum how how;
		bool     all_gone;
		unsigned ended;
	} rows[] = { { SIGNAL, false, 1 }, { GROUP, true, 1 }, { CLOSE, true, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct seen   seen = { 0 };
		struct child *child;
		uv_loop_t     loop;
		int           pipes[2];
		char          c;
		pid_t         pid;

		uv_loop_init(&loop);
		assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
		child = shell(&loop, "sleep 60 & echo; wait",
		    (const int[]){ -1, pipes[1], -1 }, 3, on_ended, &seen);
		assert_non_null(child);
		pid = child_pid(child);
		close(pipes[1]);
		assert_int_equal(read(pipes[0], &c, 1), 1); /* sleep was started */
		if (rows[i].how == SIGNAL)
			child_signal(child, SIGTERM);
		else if (rows[i].how == GROUP)
			child_signal_group(child, SIGTERM);
		else
			child_close(child);
		finish(&loop);
		assert_int_equal(seen.ended, rows[i].ended);
		if (seen.ended > 0) {
			assert_false(seen.end.exited);
			assert_int_equal(seen.end.code, SIGTERM);
		}
		assert_int_equal(
		    everyone_is_gone(pipes[0], rows[i].all_gone ? 2000 : 50),
		    rows[i].all_gone);
		if (!rows[i].all_gone)
			kill(-pid, SIGKILL); /* the sleep that holds the number */
		close(pipes[0]);
	}
}

static void
on_one_of_many(struct child *child, struct child_end end, void *context)
{
	unsigned *codes = context;

	assert_true(end.exited);
	codes[end.code]++;
	child_close(child);
}

static void
many_at_once(void **state)
{
	enum { MANY = 200 };
	unsigned  codes[256] = { 0 };
	const int fds[] = { -1, -1, 2 };
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	for (int i = 0; i < MANY; i++) {
		char script[32];

		snprintf(script, sizeof script, "exit %d", i);
		assert_non_null(shell(&loop, script, fds, 3, on_one_of_many, codes));
	}
	finish(&loop);
	for (int i = 0; i < 256; i++)
		assert_int_equal(codes[i], i < MANY);
}

static void
on_kept(struct child *child, struct child_end end, void *context)
{
	(void)child, (void)end;
	(*(unsigned *)context)++;
}

static void
may_be_closed_later(void **state)
{
	const int     fds[] = { -1, -1, 2 };
	unsigned      ended = 0;
	struct child *child;
	uv_loop_t     loop;

	(void)state;
	uv_loop_init(&loop);
	child = shell(&loop, ":", fds, 3, on_kept, &ended);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(ended, 1);
	child_signal(child, SIGKILL); /* calm */
	child_close(child);
	child_close(NULL);
	finish(&loop);
	assert_int_equal(ended, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_are_told),
		cmocka_unit_test(a_failed_start_says_why),
		cmocka_unit_test(only_named_descriptors),
		cmocka_unit_test(numbers_may_overlap),
		cmocka_unit_test(standard_descriptors_may_swap),
		cmocka_unit_test(signals_are_as_new),
		cmocka_unit_test(environment_is_as_named),
		cmocka_unit_test(starts_where_it_is_told_with_its_limit),
		cmocka_unit_test(signals_reach_the_group),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(may_be_closed_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
