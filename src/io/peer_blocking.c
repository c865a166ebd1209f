#include "io/peer_blocking.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>

#include "io/clock.h"
#include "io/packet.h"

bool
peer_send_blocking(int socket, struct bytes frame, const int *fds, size_t n_fds)
{
	return packet_send(socket, frame, fds, n_fds) == 0;
}

/* Whether it is readable (or at its end) before the time is over. */
static bool
wait_readable(int socket, unsigned timeout_ms)
{
	const uint64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	struct pollfd  p = { .fd = socket, .events = POLLIN };

	if (timeout_ms == 0)
		return true;
	for (;;) {
		uint64_t now_ms = clock_monotonic_ms();
		int      n = 0;

		if (now_ms < deadline_ms)
			n = poll(&p, 1, (int)(deadline_ms - now_ms));
		if (n != -1 || errno != EINTR)
			return n == 1;
	}
}

bool
peer_receive_blocking(int socket, char *buffer, struct bytes *frame, int *fds,
    unsigned timeout_ms)
{
	size_t n, n_fds;

	for (size_t i = 0; i < PEER_DESCRIPTORS; i++)
		fds[i] = -1;
	if (!wait_readable(socket, timeout_ms) ||
	    packet_receive(socket, buffer, &n, fds, &n_fds) != 0)
		return false;
	*frame = (struct bytes){ buffer, n };
	return true;
}
