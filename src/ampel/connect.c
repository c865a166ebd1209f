#include "ampel/connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/printable.h"
#include "io/socket_address.h"

enum { PROBE_MS = 200, GREETING_MS = 10 * 1000 };

int
connect_to(const struct endpoint *e, unsigned timeout_ms)
{
	struct sockaddr_storage address;
	socklen_t               length = socket_address(e, &address);
	const struct timeval    limit = { timeout_ms / 1000,
		   (suseconds_t)(timeout_ms % 1000) * 1000 };
	int                     fd;

	if (length == 0) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
	    connect(fd, (struct sockaddr *)&address, length) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

bool
connect_answers(const struct endpoint *e)
{
	int fd = connect_to(e, PROBE_MS);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

bool
connect_greets(const struct endpoint *e, char *error, size_t size)
{
	char       line[512];
	ssize_t    n;
	struct buf shown;
	bool       greets;
	int        fd = connect_to(e, GREETING_MS);

	if (fd < 0) {
		snprintf(error, size, "%.*s: %s", BYTES_ARG(e->text),
		    strerror(errno));
		return false;
	}
	n = recv(fd, line, sizeof line, 0);
	greets = n >= 4 && memcmp(line, "220 ", 4) == 0;
	if (greets && send(fd, "QUIT\r\n", 6, MSG_NOSIGNAL) == 6)
		(void)recv(fd, line, sizeof line, 0); /* its goodbye */
	if (!greets) {
		buf_init(&shown, 256);
		printable_add(&shown,
		    (struct bytes){ line, n > 0 ? (size_t)n : 0 }, 100);
		snprintf(error, size, "%.*s greets with \"%s\"",
		    BYTES_ARG(e->text), buf_string(&shown));
		buf_finish(&shown);
	}
	close(fd);
	return greets;
}
