#include "ampel/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ampel/connect.h"
#include "ampel/instance.h"
#include "io/socket_address.h"
#include "proto/message.h"

enum { BACKLOG = 1024, PROBE_MS = 200 };

enum { EVERYBODY = 0666 }; /* on this host may send mail, and is known by his uid */

/*
 * Make way for our own. A socket that nobody listens on is one of a dead server; what is no
 * socket, or alive, stays. False with errno.
 */
static bool
remove_stale(const struct endpoint *e, const char *path)
{
	struct stat st;
	int         fd;

	if (lstat(path, &st) != 0)
		return errno == ENOENT;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return false;
	}
	fd = connect_to(e, PROBE_MS);
	if (fd < 0 && errno == ECONNREFUSED)
		return unlink(path) == 0 || errno == ENOENT;
	if (fd >= 0)
		close(fd);
	errno = EADDRINUSE;
	return false;
}

/* As bind_endpoint, of a path. */
static int
bind_path(const struct endpoint *e)
{
	struct sockaddr_storage address;
	socklen_t               length = socket_address(e, &address);
	char                    path[sizeof address];
	int                     fd, saved;

	if (length == 0 || !bytes_to_string(e->host, path, sizeof path)) {
		errno = EINVAL;
		return -1;
	}
	if (!remove_stale(e, path))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 &&
	    chmod(path, EVERYBODY) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

/* A listening socket; -1 with errno. */
static int
bind_endpoint(const struct endpoint *e)
{
	struct sockaddr_storage address;
	socklen_t               length = socket_address(e, &address);
	const int               on = 1;
	int                     fd;

	if (length == 0) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(address.ss_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    (e->kind == ENDPOINT_INET6 &&
	        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
	    bind(fd, (struct sockaddr *)&address, length) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static bool
open_one(struct listener **list, const struct config_listen *block,
    const struct endpoint *e, char *error, size_t size)
{
	struct listener *l = calloc(1, sizeof *l);

	if (l == NULL) {
		snprintf(error, size, "no memory");
		return false;
	}
	bytes_to_string(block->name, l->name, sizeof l->name);
	bytes_to_string(e->text, l->address, sizeof l->address);
	l->is_path = e->kind == ENDPOINT_UNIX;
	l->socket = l->is_path ? bind_path(e) : bind_endpoint(e);
	if (l->socket < 0) {
		snprintf(error, size, "listen %s: cannot listen on %s: %s%s",
		    l->name, l->address, strerror(errno),
		    errno == EACCES && !l->is_path
		        ? " (ports below 1024 need root)"
		        : "");
		free(l);
		return false;
	}
	l->next = *list;
	*list = l;
	return true;
}

bool
listener_open(struct listener **list, const struct config_listen *block,
    char *error, size_t size)
{
	for (size_t i = 0; i < block->address.n; i++)
		if (!open_one(list, block, &block->address.v[i], error, size))
			return false;
	return true;
}

void
listener_close(struct listener **list, const char *name)
{
	while (*list) {
		struct listener *l = *list;

		if (name && strcmp(l->name, name) != 0) {
			list = &l->next;
			continue;
		}
		*list = l->next;
		close(l->socket);
		if (l->is_path)
			unlink(l->address);
		free(l);
	}
}

void
listener_hand_out(const struct listener *list, struct instance *worker)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	for (const struct listener *l = list; l; l = l->next) {
		struct msg_listen m = { bytes_of(l->name), bytes_of(l->address) };

		if (strcmp(l->name, worker->name) != 0)
			continue;
		buf_clear(&frame);
		msg_listen_add(&frame, &m);
		instance_send(worker, &frame, &l->socket, 1);
	}
	buf_finish(&frame);
}
