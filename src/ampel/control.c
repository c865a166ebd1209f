#include "ampel/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "ampel/asker.h"
#include "ampel/service_list.h"
#include "ampel/supervisor.h"
#include "ampel/wiring.h"
#include "base/buf.h"
#include "io/log.h"
#include "io/peer.h"
#include "io/socket_address.h"
#include "mail/paths.h"

enum {
	TICK_MS = 50,
	BACKLOG = 16,
	ERROR_TEXT = 512,
};

struct control {
	struct supervisor *supervisor;
	int                socket;
	char               path[PATHS_MAX];
	uv_poll_t          poll;
	uv_timer_t         tick;
	struct asker      *askers;
};

/* --- commands that wait for processes --- */

static void
on_tick(uv_timer_t *timer)
{
	struct control *c = timer->data;
	bool            any = false;

	for (struct asker *a = c->askers; a; a = a->next) {
		if (a->is_waiting && a->verb != VERB_RELOAD)
			asker_advance(a);
		if (a->is_waiting)
			any = true;
	}
	if (!any)
		uv_timer_stop(&c->tick);
	if (c->supervisor->phase == PHASE_STOPPING)
		supervisor_stop(c->supervisor);
}

static void
wait_for_processes(struct asker *a)
{
	if (asker_is_refused(a))
		return;
	a->is_waiting = true;
	uv_timer_start(&a->control->tick, on_tick, 0, TICK_MS);
}

/* --- commands that are answered at once --- */

static void
hand_out(struct asker *a, enum peer_role role, const char *absent)
{
	int fd = wiring_admin(a->supervisor, role);

	if (fd < 0) {
		asker_say_done(a, 75, absent, -1);
		return;
	}
	asker_say_done(a, 0, "", fd);
	close(fd);
}

static void
on_reloaded(bool ok, const char *text, void *context)
{
	struct asker *a = context;

	log_text(ok ? "the configuration was taken anew"
	            : "the old configuration stays: %s", text);
	if (a->peer)
		asker_say_done(a, ok ? 0 : 78, text, -1);
	else
		free(a);
}

/* --- the connection --- */

static bool
fill_services(struct asker *a, struct bytes names, char *error, size_t size)
{
	const struct config *config = a->supervisor->config;
	struct frame_reader  r = frame_reader_of(names);

	a->n_services = 0;
	a->is_all = names.n == 0;
	if (a->is_all)
		a->n_services = services_of(config, a->services, SERVICES_MAX);
	while (r.rest.n > 0 && !r.failed && a->n_services < SERVICES_MAX)
		if (!service_find(config, frame_bytes(&r),
		        &a->services[a->n_services++], error, size))
			return false;
	/* A reload may replace the configuration while the command waits. */
	for (size_t i = 0; i < a->n_services; i++) {
		bytes_to_string(
		    a->services[i].name, a->names[i], sizeof a->names[i]);
		a->services[i].name = bytes_of(a->names[i]);
	}
	return !r.failed;
}

static bool
on_command(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct asker      *a = context;
	struct msg_command m;
	char               error[ERROR_TEXT] = "";

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_command_read(frame, &m) || m.verb > VERB_DNS || a->is_waiting)
		return false;
	a->verb = (enum command_verb)m.verb;
	a->is_second_half = a->failed = a->is_killed = a->is_begun = false;
	if (!fill_services(a, m.names, error, sizeof error)) {
		asker_say_done(a, 64, error, -1);
		return true;
	}
	switch (a->verb) {
	case VERB_STATUS:
		asker_say_status(a);
		break;
	case VERB_QUEUE:
		hand_out(a, ROLE_QUEUE, "the queue is not there at the moment");
		break;
	case VERB_DNS:
		hand_out(a, ROLE_DNS, "the resolver is not there at the moment");
		break;
	case VERB_RELOAD:
		a->is_waiting = true;
		supervisor_reload(a->supervisor, on_reloaded, a);
		break;
	case VERB_START:
	case VERB_STOP:
	case VERB_RESTART:
	case VERB_ZAP:
		wait_for_processes(a);
		break;
	}
	return true;
}

static const struct peer_permit permits[] = {
	{ MSG_COMMAND, NULL, on_command, 0 },
};

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	struct asker  *a = context;
	struct asker **at = &a->control->askers;

	(void)why;
	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	peer_close(peer);
	a->peer = NULL;
	if (!a->is_waiting || a->verb != VERB_RELOAD)
		free(a); /* else on_reloaded does */
}

static bool
may_ask(int fd)
{
	struct ucred who;
	socklen_t    size = sizeof who;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
	    (who.uid == 0 || who.uid == geteuid());
}

static void
on_connection(uv_poll_t *poll, int status, int events)
{
	struct control *c = poll->data;
	struct asker   *a;
	int             fd = accept4(c->socket, NULL, NULL, SOCK_CLOEXEC);

	(void)status;
	(void)events;
	if (fd < 0)
		return;
	a = may_ask(fd) ? calloc(1, sizeof *a) : NULL;
	if (a == NULL) {
		close(fd);
		return;
	}
	a->control = c;
	a->supervisor = c->supervisor;
	a->peer = peer_open(&c->supervisor->loop, fd, permits,
	    sizeof permits / sizeof permits[0], on_gone, a);
	if (a->peer == NULL) {
		close(fd);
		free(a);
		return;
	}
	a->next = c->askers;
	c->askers = a;
}

/* --- the socket --- */

/* We hold the pid file's lock: a socket that lies there is a dead one's. */
static int
bind_socket(const char *path)
{
	struct endpoint         e = { ENDPOINT_UNIX, bytes_of(path),
		           bytes_of(path), 0 };
	struct sockaddr_storage address;
	socklen_t               length = socket_address(&e, &address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, length) != 0 ||
	    chmod(path, 0600) != 0 || listen(fd, BACKLOG) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

struct control *
control_open(struct supervisor *s, char *error, size_t size)
{
	struct control *c = calloc(1, sizeof *c);

	if (c == NULL) {
		snprintf(error, size, "no memory");
		return NULL;
	}
	c->supervisor = s;
	if (!paths_get(s->config, PATH_CONTROL, BYTES(""), c->path) ||
	    strlen(c->path) >= sizeof ((struct sockaddr_un *)0)->sun_path) {
		snprintf(error, size, "the path of the control socket is too "
		    "long for the kernel: choose a shorter root");
		free(c);
		return NULL;
	}
	c->socket = bind_socket(c->path);
	if (c->socket < 0) {
		snprintf(error, size, "%s: %s", c->path, strerror(errno));
		free(c);
		return NULL;
	}
	uv_poll_init(&s->loop, &c->poll, c->socket);
	uv_timer_init(&s->loop, &c->tick);
	c->poll.data = c->tick.data = c;
	uv_poll_start(&c->poll, UV_READABLE, on_connection);
	return c;
}

bool
control_finish(struct control *c)
{
	bool sent = true;

	for (struct asker *a = c->askers; a; a = a->next) {
		if (a->is_waiting && a->verb == VERB_RELOAD)
			asker_say_done(a, 75, "the server is stopping", -1);
		if (a->is_waiting)
			asker_advance(a);
		if (a->is_waiting || peer_is_sending(a->peer))
			sent = false;
	}
	return sent;
}

void
control_close(struct control *c)
{
	if (c == NULL)
		return;
	while (c->askers) {
		struct asker *a = c->askers;

		c->askers = a->next;
		peer_close(a->peer);
		free(a);
	}
	uv_poll_stop(&c->poll);
	uv_timer_stop(&c->tick);
	close(c->socket);
	unlink(c->path);
	/* The loop ends with the process; c holds handles of it and stays. */
}
