#include "tools/spamc_exchange.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "tools/spamc_complain.h"
#include "tools/spamc_wait.h"

enum { READ_AT_ONCE = 64 * 1024 };

/* False with errno. */
static bool
send_all(int fd, struct bytes bytes, uint64_t deadline_ms)
{
	while (bytes.n > 0) {
		ssize_t n;

		if (!spamc_wait(fd, POLLOUT, deadline_ms))
			return false;
		n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return false;
		bytes = bytes_from(bytes, n > 0 ? (size_t)n : 0);
	}
	return true;
}

/* The number of bytes, 0 at the end, or -1 with errno; EFBIG: no room for more. */
static ssize_t
receive_some(int fd, struct buf *received, uint64_t deadline_ms)
{
	size_t  room = received->max - received->len;
	size_t  n = room < READ_AT_ONCE ? room : READ_AT_ONCE;
	char   *p = n > 0 ? buf_room(received, n) : NULL;
	ssize_t got;

	if (p == NULL) {
		errno = n > 0 ? ENOMEM : EFBIG;
		return -1;
	}
	do {
		if (!spamc_wait(fd, POLLIN, deadline_ms))
			return -1;
		got = recv(fd, p, n, 0);
	} while (got == -1 && (errno == EAGAIN || errno == EINTR));
	if (got > 0)
		buf_grew(received, (size_t)got);
	return got;
}

int
spamc_exchange(int fd, struct bytes head, struct bytes message,
    uint64_t timeout_s, struct buf *received)
{
	uint64_t deadline_ms = spamc_deadline(timeout_s);
	ssize_t  got;

	/* One that stops listening may have said why: its reply is read all the same. */
	if (send_all(fd, head, deadline_ms) &&
	    send_all(fd, message, deadline_ms))
		shutdown(fd, SHUT_WR);
	else if (errno == ETIMEDOUT)
		return spamc_complain(EX_IOERR, "spamd does not read");
	do
		got = receive_some(fd, received, deadline_ms);
	while (got > 0);
	if (got == 0)
		return EX_OK;
	if (errno == EFBIG)
		return spamc_complain(EX_PROTOCOL, "spamd: reply too long");
	return spamc_complain(EX_IOERR, "spamd: no whole reply: %s",
	    strerror(errno));
}
