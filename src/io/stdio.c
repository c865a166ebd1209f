#include "io/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"

enum { LINGER_MS = 2 * 1000, LINGER_BYTES = 1024 * 1024 };

/* --- the ground --- */

/* What we open later must not become one of the three, and be talked to by mistake. */
static bool
fill_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd != -1 && fd <= STDERR_FILENO);
	if (fd == -1)
		return false;
	close(fd);
	return true;
}

/* Programs that we start are waited for. */
static void
take_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
}

bool
stdio_begin(void)
{
	take_signals();
	return fill_descriptors();
}

/* --- reading and writing --- */

/* OK: it can be tried now. */
static enum stdio_result
wait_for(int fd, short events, uint64_t deadline_ms)
{
	struct pollfd ready = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now_ms = clock_monotonic_ms();
		uint64_t left = now_ms < deadline_ms ? deadline_ms - now_ms : 0;
		int n = poll(&ready, 1, left < INT_MAX ? (int)left : INT_MAX);

		if (n > 0)
			return STDIO_OK;
		if (n == -1 && errno != EINTR)
			return STDIO_GONE;
		if (left == 0)
			return STDIO_LATE;
	}
}

/* Whether it was not ready after all, or somebody interrupted. */
static bool
is_passing(int error)
{
	return error == EINTR || error == EAGAIN || error == EWOULDBLOCK;
}

enum stdio_result
stdio_read(char *p, size_t size, uint64_t deadline_ms, size_t *n)
{
	for (;;) {
		enum stdio_result result = wait_for(STDIN_FILENO, POLLIN, deadline_ms);
		ssize_t           got;

		if (result != STDIO_OK)
			return result;
		got = read(STDIN_FILENO, p, size);
		if (got > 0) {
			*n = (size_t)got;
			return STDIO_OK;
		}
		if (got == 0 || !is_passing(errno))
			return STDIO_GONE;
	}
}

/*
 * A pipe that is ready takes PIPE_BUF without blocking (pipe(7)); a socket may take less, and
 * is told not to block.
 */
static ssize_t
write_some(struct bytes output)
{
	ssize_t n = send(STDOUT_FILENO, output.p, output.n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n == -1 && errno == ENOTSOCK)
		n = write(STDOUT_FILENO, output.p,
		    output.n < PIPE_BUF ? output.n : PIPE_BUF);
	return n;
}

enum stdio_result
stdio_write(struct bytes output, uint64_t deadline_ms)
{
	while (output.n > 0) {
		enum stdio_result result = wait_for(STDOUT_FILENO, POLLOUT, deadline_ms);
		ssize_t           n;

		if (result != STDIO_OK)
			return result;
		n = write_some(output);
		if (n == -1 && !is_passing(errno))
			return STDIO_GONE;
		if (n > 0)
			output = bytes_from(output, (size_t)n);
	}
	return STDIO_OK;
}

/* Closing with input unread, TCP takes back what was just said. */
void
stdio_linger(void)
{
	const uint64_t deadline_ms = clock_monotonic_ms() + LINGER_MS;
	char           rest[4096];
	size_t         n, all = 0;

	if (shutdown(STDOUT_FILENO, SHUT_WR) == -1)
		return;
	while (all < LINGER_BYTES &&
	    stdio_read(rest, sizeof rest, deadline_ms, &n) == STDIO_OK)
		all += n;
}
