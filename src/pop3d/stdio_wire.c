#include "pop3d/stdio_wire.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"

enum {
	/* So much never blocks when poll says that there is room (pipe(7)). */
	PIECE = PIPE_BUF,
	LINGER_MS = 2 * 1000,
	LINGER_READS = 1000,
};

/* Whether it is ready, or broken, in time. */
static bool
wait_for(int fd, short events, int timeout_ms)
{
	const uint64_t deadline_ms = clock_monotonic_ms() + (uint64_t)timeout_ms;
	struct pollfd  p = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now_ms = clock_monotonic_ms();
		int      left = now_ms < deadline_ms ? (int)(deadline_ms - now_ms) : 0;
		int      n = poll(&p, 1, left);

		if (n != -1 || errno != EINTR)
			return n == 1;
	}
}

bool
stdio_wait_readable(int fd, int timeout_ms)
{
	return wait_for(fd, POLLIN, timeout_ms);
}

static bool
is_passing(int error)
{
	return error == EINTR || error == EAGAIN;
}

ssize_t
stdio_receive(char *p, size_t n, int timeout_ms)
{
	ssize_t got;

	do {
		if (!stdio_wait_readable(STDIN_FILENO, timeout_ms))
			return -1;
		got = read(STDIN_FILENO, p, n);
	} while (got == -1 && is_passing(errno));
	return got == -1 ? 0 : got;
}

bool
stdio_send(struct bytes text, int timeout_ms)
{
	while (text.n > 0) {
		struct bytes piece = bytes_first(text, PIECE);
		ssize_t      n;

		if (!wait_for(STDOUT_FILENO, POLLOUT, timeout_ms))
			return false;
		n = write(STDOUT_FILENO, piece.p, piece.n);
		if (n == -1 && !is_passing(errno))
			return false;
		if (n > 0)
			text = bytes_from(text, (size_t)n);
	}
	return true;
}

/* Who closes a TCP socket with input unread takes back what he has just sent. */
void
stdio_linger(void)
{
	const uint64_t deadline_ms = clock_monotonic_ms() + LINGER_MS;
	char           piece[PIECE];

	if (shutdown(STDOUT_FILENO, SHUT_WR) == -1) /* it is no socket, or gone */
		return;
	for (int i = 0; i < LINGER_READS && clock_monotonic_ms() < deadline_ms; i++)
		if (stdio_receive(piece, sizeof piece, LINGER_MS) <= 0)
			return;
}
