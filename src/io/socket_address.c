#include "io/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static socklen_t
fill_unix(const char *path, struct sockaddr_un *out)
{
	size_t n = strlen(path);

	if (n >= sizeof out->sun_path)
		return 0;
	out->sun_family = AF_UNIX;
	memcpy(out->sun_path, path, n + 1);
	return sizeof *out;
}

static socklen_t
fill_inet(const char *host, uint16_t port, struct sockaddr_in *out)
{
	out->sin_family = AF_INET;
	out->sin_port = htons(port);
	return inet_pton(AF_INET, host, &out->sin_addr) == 1 ? sizeof *out : 0;
}

static socklen_t
fill_inet6(const char *host, uint16_t port, struct sockaddr_in6 *out)
{
	out->sin6_family = AF_INET6;
	out->sin6_port = htons(port);
	return inet_pton(AF_INET6, host, &out->sin6_addr) == 1 ? sizeof *out : 0;
}

socklen_t
socket_address(const struct endpoint *e, struct sockaddr_storage *out)
{
	char host[256];

	memset(out, 0, sizeof *out);
	if (!bytes_to_string(e->host, host, sizeof host))
		return 0;
	switch (e->kind) {
	case ENDPOINT_UNIX:
		return fill_unix(host, (struct sockaddr_un *)out);
	case ENDPOINT_INET:
		return fill_inet(host, e->port, (struct sockaddr_in *)out);
	case ENDPOINT_INET6:
		return fill_inet6(host, e->port, (struct sockaddr_in6 *)out);
	}
	return 0;
}
