#include "remote/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/network.h"

static socklen_t
address_of(const uint8_t address[16], uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in  in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (network_is_ipv4(address)) {
		in.sin_port = htons(port);
		memcpy(&in.sin_addr, address + 12, 4);
		memcpy(out, &in, sizeof in);
		return sizeof in;
	}
	in6.sin6_port = htons(port);
	memcpy(&in6.sin6_addr, address, 16);
	memcpy(out, &in6, sizeof in6);
	return sizeof in6;
}

int
dial(const uint8_t address[16], uint16_t port)
{
	struct sockaddr_storage to = { 0 };
	socklen_t               size = address_of(address, port, &to);
	int one = 1, error, s;

	s = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s == -1)
		return -1;
	/* what we say is whole, and waited for */
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(s, (struct sockaddr *)&to, size) == 0 || errno == EINPROGRESS)
		return s;
	error = errno;
	close(s);
	errno = error;
	return -1;
}

int
dial_result(int socket)
{
	int       error = 0;
	socklen_t size = sizeof error;

	if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
		return errno;
	return error;
}

bool
dial_is_our_fault(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	    error == ENOMEM;
}

void
dial_error_text(int error, char *text, size_t size)
{
	snprintf(text, size, "%s", strerror(error));
	text[0] = byte_lower(text[0]);
}
