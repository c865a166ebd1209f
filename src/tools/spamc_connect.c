#include "tools/spamc_connect.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/file.h"
#include "tools/spamc_complain.h"
#include "tools/spamc_wait.h"

enum { ADDRESSES_MAX = 64 };

struct address {
	struct sockaddr_storage to;
	socklen_t               len;
};

struct addresses {
	struct address v[ADDRESSES_MAX];
	size_t         n;
	int            trouble; /* of getaddrinfo, for when there is none */
};

/* --- finding --- */

static void
add_host(struct addresses *a, const struct spamc_options *o, const char *host)
{
	struct addrinfo hints = {
		.ai_family = o->ipv4_only ? AF_INET
		    : o->ipv6_only        ? AF_INET6
		                          : AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *list;
	int              trouble = getaddrinfo(host, o->port, &hints, &list);

	if (trouble != 0) {
		a->trouble = trouble;
		spamc_complain(0, "%s: %s", host, gai_strerror(trouble));
		return;
	}
	for (struct addrinfo *i = list; i && a->n < ADDRESSES_MAX; i = i->ai_next)
		if (i->ai_addrlen <= sizeof a->v[a->n].to) {
			memcpy(&a->v[a->n].to, i->ai_addr, i->ai_addrlen);
			a->v[a->n++].len = i->ai_addrlen;
		}
	freeaddrinfo(list);
}

static void
add_hosts(struct addresses *a, const struct spamc_options *o)
{
	struct bytes rest = bytes_of(o->hosts), piece;
	char         host[NI_MAXHOST];

	while (bytes_split(&rest, ',', &piece))
		if (bytes_to_string(bytes_trim(piece), host, sizeof host) &&
		    host[0] != '\0')
			add_host(a, o, host);
}

static bool
add_socket(struct addresses *a, const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (!bytes_to_string(bytes_of(path), to.sun_path, sizeof to.sun_path))
		return false;
	memcpy(&a->v[0].to, &to, sizeof to);
	a->v[0].len = sizeof to;
	a->n = 1;
	return true;
}

/* Every order is as likely as every other. */
static void
shuffle(struct addresses *a)
{
	for (size_t left = a->n; left > 1; left--) {
		uint64_t       random;
		struct address other;
		size_t         i;

		random_fill(&random, sizeof random);
		i = random % left;
		other = a->v[i];
		a->v[i] = a->v[left - 1];
		a->v[left - 1] = other;
	}
}

/* --- dialing --- */

/* Whether the connection that was begun is there in time; else errno. */
static bool
is_connected(int fd, uint64_t deadline_ms)
{
	int       error = 0;
	socklen_t n = sizeof error;

	if (!spamc_wait(fd, POLLOUT, deadline_ms))
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == -1)
		return false;
	errno = error;
	return error == 0;
}

static bool
connect_inet(int fd, const struct address *a, uint64_t timeout_s)
{
	return file_set_nonblocking(fd, true) == 0 &&
	    (connect(fd, (const struct sockaddr *)&a->to, a->len) == 0 ||
	        (errno == EINPROGRESS &&
	            is_connected(fd, spamc_deadline(timeout_s))));
}

/* Blocking: where others wait too, the kernel does not let us poll for our turn. */
static bool
connect_unix(int fd, const struct address *a, uint64_t timeout_s)
{
	struct timeval timeout = { .tv_sec = (time_t)timeout_s };

	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
	           sizeof timeout) == 0 &&
	    connect(fd, (const struct sockaddr *)&a->to, a->len) == 0 &&
	    file_set_nonblocking(fd, true) == 0;
}

/* A descriptor that does not block, or -1 with errno. */
static int
dial(const struct address *a, uint64_t timeout_s)
{
	int  fd = socket(a->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_there;
	int  error;

	if (fd == -1)
		return -1;
	if (a->to.ss_family == AF_UNIX)
		is_there = connect_unix(fd, a, timeout_s);
	else
		is_there = connect_inet(fd, a, timeout_s);
	if (is_there)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* -1 with errno, of the address that came last. */
static int
dial_all(const struct addresses *a, const struct spamc_options *o)
{
	int fd = -1;

	for (uint64_t round = 0; round < o->connect_rounds; round++) {
		if (round > 0)
			sleep((unsigned)o->retry_sleep_s);
		for (size_t i = 0; fd == -1 && i < a->n; i++)
			fd = dial(&a->v[i], o->connect_timeout_s);
		if (fd != -1)
			break;
	}
	return fd;
}

int
spamc_connect(const struct spamc_options *o, int *fd)
{
	struct addresses a = { .n = 0 };

	if (o->socket_path && !add_socket(&a, o->socket_path))
		return spamc_complain(
		    EX_SOFTWARE, "%s: too long for a socket", o->socket_path);
	if (o->socket_path == NULL)
		add_hosts(&a, o);
	if (a.n == 0)
		return a.trouble == EAI_AGAIN ? EX_TEMPFAIL : EX_NOHOST;
	if (o->shuffles)
		shuffle(&a);
	*fd = dial_all(&a, o);
	if (*fd != -1)
		return EX_OK;
	if (o->socket_path)
		return spamc_complain(
		    EX_SOFTWARE, "%s: %s", o->socket_path, strerror(errno));
	return spamc_complain(EX_UNAVAILABLE, "no spamd at %s port %s: %s",
	    o->hosts, o->port, strerror(errno));
}
