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

/* What it says: at most size bytes; 0: nothing. */
static size_t
receive(int fd, char *p, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, p, size, 0);
	while (n < 0 && errno == EINTR);
	return n > 0 ? (size_t)n : 0;
}

static int
connect_or_say(const struct endpoint *e, char *error, size_t size)
{
	int fd = connect_to(e, GREETING_MS);

	if (fd < 0)
		snprintf(error, size, "%.*s: %s", BYTES_ARG(e->text),
		    strerror(errno));
	return fd;
}

static void
say_greeting(const struct endpoint *e, struct bytes greeting, char *error,
    size_t size)
{
	struct buf shown;

	buf_init(&shown, 256);
	printable_add(&shown, greeting, 100);
	snprintf(error, size, "%.*s greets with \"%s\"", BYTES_ARG(e->text),
	    buf_string(&shown));
	buf_finish(&shown);
}

bool
connect_greets(const struct endpoint *e, char *error, size_t size)
{
	char   line[512];
	size_t n;
	bool   greets;
	int    fd = connect_or_say(e, error, size);

	if (fd < 0)
		return false;
	n = receive(fd, line, sizeof line);
	greets = n >= 4 && memcmp(line, "220 ", 4) == 0;
	if (!greets)
		say_greeting(e, (struct bytes){ line, n }, error, size);
	else if (send(fd, "QUIT\r\n", 6, MSG_NOSIGNAL) == 6)
		receive(fd, line, sizeof line); /* its goodbye */
	close(fd);
	return greets;
}

/*
 * A ClientHello of TLS 1.2 (RFC 5246 section 7.4.1.2) that every server of ours can
 * agree to. It is the whole of our client: whether somebody speaks TLS there is seen by
 * the first byte of the answer, and nothing is sent that a random number would protect.
 */
/* clang-format off */
static const unsigned char client_hello[] = {
	0x16, 3, 1, 0, 101,             /* a record: handshake, */
	1, 0, 0, 97, 3, 3,              /* ClientHello, TLS 1.2, */
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* random, */
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0,                              /* no session, */
	0, 12,                          /* ECDHE with ECDSA or RSA, and AES-GCM or */
	0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9, 0xcc, 0xa8, /* ChaCha20 */
	1, 0,                           /* no compression, */
	0, 44,                          /* extensions: */
	0, 10, 0, 8, 0, 6, 0, 29, 0, 23, 0, 24, /* groups X25519, P-256, P-384, */
	0, 11, 0, 2, 1, 0,              /* points uncompressed, */
	0, 13, 0, 22, 0, 20,            /* signatures ECDSA, RSA-PSS, RSA */
	4, 3, 8, 4, 8, 7, 8, 5, 8, 6, 4, 1, 5, 1, 6, 1, 5, 3, 6, 3,
};
/* clang-format on */

bool
connect_secures(const struct endpoint *e, char *error, size_t size)
{
	enum { RECORD_ALERT = 0x15, RECORD_HANDSHAKE = 0x16, SERVER_HELLO = 2 };
	unsigned char answer[7] = { 0 };
	size_t        n = 0, more = 1;
	int           fd = connect_or_say(e, error, size);

	if (fd < 0)
		return false;
	if (send(fd, client_hello, sizeof client_hello, MSG_NOSIGNAL) !=
	    sizeof client_hello)
		more = 0;
	while (n < sizeof answer && more > 0) {
		more = receive(fd, (char *)answer + n, sizeof answer - n);
		n += more;
	}
	close(fd);
	if (n > 5 && answer[0] == RECORD_HANDSHAKE && answer[5] == SERVER_HELLO)
		return true;
	if (n == sizeof answer && answer[0] == RECORD_ALERT)
		snprintf(error, size, "%.*s refuses TLS with alert %u",
		    BYTES_ARG(e->text), answer[6]);
	else
		snprintf(error, size, "%.*s does not speak TLS",
		    BYTES_ARG(e->text));
	return false;
}
