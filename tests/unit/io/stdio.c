#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/stdio.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/clock.h"

enum { SOON_MS = 100, LONG_MS = 20 * 1000, LARGE = 1024 * 1024 };

/* What 0 and 1 were, and the other ends of what they are. */
struct ends {
	int saved[2];
	int input, output;
};

static uint64_t
in_ms(uint64_t ms)
{
	return clock_monotonic_ms() + ms;
}

static void
become(struct ends *e, int in, int out)
{
	for (int fd = 0; fd < 2; fd++)
		e->saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	assert_int_equal(dup2(in, STDIN_FILENO), STDIN_FILENO);
	assert_int_equal(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
	close(in);
	if (out != in)
		close(out);
}

static void
use_socket(struct ends *e)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	e->input = e->output = pair[0];
	become(e, pair[1], pair[1]);
}

static void
use_pipes(struct ends *e)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	e->input = in[1];
	e->output = out[0];
	become(e, in[0], out[1]);
}

static void (*const kinds[])(struct ends *e) = { use_socket, use_pipes };

static void
close_ours(struct ends *e)
{
	if (e->input != -1)
		close(e->input);
	if (e->output != e->input && e->output != -1)
		close(e->output);
	e->input = e->output = -1;
}

static void
give_back(struct ends *e)
{
	close_ours(e);
	for (int fd = 0; fd < 2; fd++) {
		dup2(e->saved[fd], fd);
		close(e->saved[fd]);
	}
}

static void
reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct ends e;
		char        text[8];
		size_t      n = 99;
		uint64_t    began_ms = in_ms(0);

		kinds[i](&e);
		assert_int_equal(
		    stdio_read(text, sizeof text, in_ms(SOON_MS), &n), STDIO_LATE);
		assert_true(in_ms(0) - began_ms >= SOON_MS);
		assert_int_equal(write(e.input, "hello, world", 12), 12);
		assert_int_equal(
		    stdio_read(text, sizeof text, in_ms(LONG_MS), &n), STDIO_OK);
		assert_int_equal(n, 8);
		assert_memory_equal(text, "hello, w", 8);
		close_ours(&e);
		/* what was sent before it was closed is still read */
		assert_int_equal(
		    stdio_read(text, sizeof text, in_ms(LONG_MS), &n), STDIO_OK);
		assert_int_equal(n, 4);
		assert_int_equal(
		    stdio_read(text, sizeof text, in_ms(LONG_MS), &n), STDIO_GONE);
		give_back(&e);
	}
}

static void *
read_all(void *context)
{
	const struct ends *e = context;
	char               piece[4096];
	size_t             all = 0;
	ssize_t            n;

	while (all < LARGE && (n = read(e->output, piece, sizeof piece)) > 0)
		all += (size_t)n;
	return (void *)(uintptr_t)all;
}

/* More than fits on the way, to one who reads, to one who does not, and to one who is gone. */
static void
writes(void **state)
{
	static char large[LARGE];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct ends        e;
		const struct bytes text = { large, sizeof large };
		pthread_t          reader;
		void              *all;

		kinds[i](&e);
		assert_int_equal(pthread_create(&reader, NULL, read_all, &e), 0);
		assert_int_equal(stdio_write(text, in_ms(LONG_MS)), STDIO_OK);
		pthread_join(reader, &all);
		assert_int_equal((uintptr_t)all, LARGE);
		assert_int_equal(stdio_write(text, in_ms(SOON_MS)), STDIO_LATE);
		close_ours(&e);
		assert_int_equal(stdio_write(text, in_ms(LONG_MS)), STDIO_GONE);
		give_back(&e);
	}
}

/* Ends at once when the client hangs up, and soon when he does not. */
static void
lingers(void **state)
{
	struct ends e;
	char        byte;
	uint64_t    began_ms = in_ms(0);

	(void)state;
	use_socket(&e);
	assert_int_equal(write(e.input, "NOOP\r\n", 6), 6);
	stdio_linger();
	assert_true(in_ms(0) - began_ms < LONG_MS);
	assert_int_equal(read(e.output, &byte, 1), 0); /* and he has seen the end */
	close_ours(&e);
	began_ms = in_ms(0);
	stdio_linger();
	assert_true(in_ms(0) - began_ms < 1000);
	give_back(&e);
}

/* In a process of its own, as after an exec by somebody careless. */
static void
begins(void **state)
{
	pid_t pid = fork();
	int   status;

	(void)state;
	if (pid == 0) {
		struct sigaction pipe_action, child_action;
		struct stat      st[3], null;
		sigset_t         blocked;

		signal(SIGCHLD, SIG_IGN);
		sigfillset(&blocked);
		sigprocmask(SIG_SETMASK, &blocked, NULL);
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		if (!stdio_begin() || stat("/dev/null", &null) == -1)
			_exit(1);
		for (int fd = 0; fd < 3; fd++)
			if (fstat(fd, &st[fd]) == -1 || st[fd].st_rdev != null.st_rdev ||
			    fcntl(fd, F_GETFD) != 0)
				_exit(2);
		if (fcntl(3, F_GETFD) != -1 && fstat(3, &st[0]) == 0 &&
		    st[0].st_rdev == null.st_rdev)
			_exit(3);
		sigaction(SIGPIPE, NULL, &pipe_action);
		sigaction(SIGCHLD, NULL, &child_action);
		sigprocmask(SIG_SETMASK, NULL, &blocked);
		if (pipe_action.sa_handler != SIG_IGN ||
		    child_action.sa_handler != SIG_DFL ||
		    sigismember(&blocked, SIGTERM))
			_exit(4);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(writes),
		cmocka_unit_test(lingers),
		cmocka_unit_test(begins),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
