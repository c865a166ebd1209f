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

#include "ampel/connect.h"
#include "ampel/instance.h"
#include "ampel/service_list.h"
#include "ampel/supervisor.h"
#include "ampel/wiring.h"
#include "base/buf.h"
#include "io/child.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/peer.h"
#include "io/socket_address.h"
#include "mail/paths.h"

enum {
	TICK_MS = 50,
	START_MAX_MS = 90 * 1000,
	ZAP_GRACE_MS = 2000,
	ZAP_MAX_MS = 10 * 1000,
	BACKLOG = 16,
	ERROR_TEXT = 512,
};

/* One connection, and the command that it waits for. */
struct asker {
	struct asker     *next;
	struct control   *control;
	struct peer      *peer; /* NULL: it left while a reload has yet to answer it */
	bool              is_waiting;
	enum command_verb verb;
	bool              is_second_half; /* restart: the start behind the stop */
	struct service    services[SERVICES_MAX];
	char              names[SERVICES_MAX][64];
	bool              is_said[SERVICES_MAX];
	bool              was_running[SERVICES_MAX]; /* before a stop of it */
	size_t            n_services;
	bool              is_all;
	bool              is_begun;   /* not while the server still starts */
	bool              failed;
	bool              is_killed;  /* zap: KILL was sent */
	uint64_t          started_ms;
};

struct control {
	struct supervisor *supervisor;
	int                socket;
	char               path[PATHS_MAX];
	uv_poll_t          poll;
	uv_timer_t         tick;
	struct asker      *askers;
};

/* --- answers --- */

static void
say_line(struct asker *a, struct bytes name, bool ok, const char *state,
    const char *text)
{
	struct msg_line m = { name, ok, bytes_of(state), bytes_of(text) };
	struct buf      frame;

	buf_init(&frame, FRAME_MAX);
	msg_line_add(&frame, &m);
	peer_send(a->peer, buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
	if (!ok)
		a->failed = true;
}

static void
say_done(struct asker *a, int code, const char *text, int fd)
{
	struct msg_done m = { (uint8_t)code, bytes_of(text) };
	struct buf      frame;

	buf_init(&frame, FRAME_MAX);
	msg_done_add(&frame, &m);
	peer_send(a->peer, buf_bytes(&frame), &fd, fd >= 0 ? 1 : 0);
	buf_finish(&frame);
	a->is_waiting = false;
}

/* --- commands that wait for processes --- */

static bool
is_starting(const struct asker *a)
{
	return a->verb == VERB_START ||
	    (a->verb == VERB_RESTART && a->is_second_half);
}

/* Of everything: the server ends with it. */
static bool
is_end(const struct asker *a)
{
	return a->is_all && (a->verb == VERB_STOP || a->verb == VERB_ZAP);
}

static void
begin_start(struct asker *a, size_t i)
{
	char error[ERROR_TEXT];

	if (service_start(a->control->supervisor, &a->services[i], error,
	        sizeof error))
		return;
	say_line(a, a->services[i].name, false, "FAILED", error);
	a->is_said[i] = true;
}

static void
begin_stop(struct asker *a, size_t i)
{
	struct supervisor    *s = a->control->supervisor;
	const struct service *service = &a->services[i];

	a->was_running[i] = service_state(s, service) != SERVICE_STOPPED;
	if (!is_end(a))
		service_stop(s, service);
	if (a->verb == VERB_ZAP)
		service_kill(s, service, SIGTERM);
}

static void
begin(struct asker *a)
{
	a->is_begun = true;
	a->started_ms = clock_monotonic_ms();
	memset(a->is_said, 0, sizeof a->is_said);
	for (size_t i = 0; i < a->n_services; i++)
		(is_starting(a) ? begin_start : begin_stop)(a, i);
	if (is_end(a))
		supervisor_stop(a->control->supervisor);
}

static uint64_t
patience_ms(const struct asker *a)
{
	if (a->verb == VERB_ZAP)
		return ZAP_MAX_MS;
	if (is_starting(a))
		return START_MAX_MS;
	return a->control->supervisor->config->stop_timeout_ms;
}

/* A listener of ours that was stopped, and one can still connect there. */
static bool
is_heard(const struct asker *a, size_t i)
{
	const struct config *config = a->control->supervisor->config;

	if (a->services[i].kind != SERVICE_LISTENER || !a->was_running[i])
		return false;
	for (size_t k = 0; k < config->n_listen; k++) {
		const struct config_listen *l = &config->listen[k];

		if (!bytes_equal(l->name, a->services[i].name))
			continue;
		for (size_t n = 0; n < l->address.n; n++)
			if (connect_answers(&l->address.v[n]))
				return true;
	}
	return false;
}

/* Somebody else has asked for the contrary since. */
static bool
is_overruled(const struct asker *a, enum service_state state)
{
	if (a->control->supervisor->phase == PHASE_STOPPING)
		return false;
	return is_starting(a)
	    ? state == SERVICE_STOPPED
	    : state == SERVICE_RUNNING || state == SERVICE_STARTING;
}

static void
explain(const struct asker *a, size_t i, enum service_state state, bool good,
    struct buf *text)
{
	const struct service *service = &a->services[i];

	if (!good && is_overruled(a, state))
		buf_add_string(text, is_starting(a) ? "was stopped meanwhile"
		                                    : "was started meanwhile");
	else if (is_starting(a))
		service_describe(a->control->supervisor, service, text);
	else if (!good && state == SERVICE_STOPPED)
		buf_add_string(text, "its address still accepts connections");
	else if (!good)
		buf_addf(text, "still busy; \"ampel zap %.*s\" kills",
		    BYTES_ARG(service->name));
}

/* A service is where it should be, or it never will, or it is too late: its line. */
static bool
settle(struct asker *a, size_t i, bool late)
{
	struct supervisor *s = a->control->supervisor;
	enum service_state state = service_state(s, &a->services[i]);
	bool good = is_starting(a) ? state == SERVICE_RUNNING
	                           : state == SERVICE_STOPPED && !is_heard(a, i);
	struct buf text;

	if (!good && !late && !is_overruled(a, state))
		return false;
	a->is_said[i] = true;
	if (good && a->verb == VERB_RESTART && !a->is_second_half)
		return true; /* its start will be told */
	buf_init(&text, ERROR_TEXT);
	explain(a, i, state, good, &text);
	say_line(a, a->services[i].name, good, service_state_name(state),
	    buf_string(&text));
	buf_finish(&text);
	return true;
}

static bool
is_late(const struct asker *a)
{
	return clock_monotonic_ms() - a->started_ms > patience_ms(a);
}

static bool
is_settled(struct asker *a)
{
	bool late = is_late(a);
	bool all = true;

	for (size_t i = 0; i < a->n_services; i++)
		if (!a->is_said[i] && !settle(a, i, late))
			all = false;
	return all;
}

static bool
is_nothing_left(const struct supervisor *s)
{
	struct service all[SERVICES_MAX];
	size_t         n = services_of(s->config, all, SERVICES_MAX);

	for (size_t i = 0; i < n; i++)
		if (service_state(s, &all[i]) != SERVICE_STOPPED)
			return false;
	return true;
}

/* Nothing starts any more: whoever waits for that is told, and holds up nobody. */
static bool
is_refused(struct asker *a)
{
	if (a->control->supervisor->phase != PHASE_STOPPING ||
	    (a->verb != VERB_START && a->verb != VERB_RESTART))
		return false;
	say_done(a, 75, "the server is stopping", -1);
	return true;
}

/* A command about some services, while the server itself still starts, waits for that. */
static bool
is_early(const struct asker *a)
{
	return !a->is_begun && !is_end(a) &&
	    a->control->supervisor->phase < PHASE_RUNNING;
}

/* Of everything, also what is no service: whatever hangs. The queue's store never. */
static void
kill_all(const struct asker *a)
{
	struct supervisor *s = a->control->supervisor;

	for (size_t i = 0; i < a->n_services; i++)
		service_kill(s, &a->services[i], SIGKILL);
	for (struct instance *i = s->instances; a->is_all && i; i = i->next)
		if (i->child && i->role != ROLE_QUEUE)
			child_signal_group(i->child, SIGKILL);
}

static void
kill_in_time(struct asker *a)
{
	if (a->verb != VERB_ZAP || a->is_killed ||
	    clock_monotonic_ms() - a->started_ms <= ZAP_GRACE_MS)
		return;
	a->is_killed = true;
	kill_all(a);
}

/* Until then a zap has not said its last word: what is left may need it. */
static bool
is_zapping(const struct asker *a)
{
	if (a->verb != VERB_ZAP || !a->is_all || is_late(a))
		return false;
	for (const struct instance *i = a->control->supervisor->instances; i;
	     i = i->next)
		if (i->child && i->role != ROLE_QUEUE)
			return true;
	return false;
}

static void
advance(struct asker *a)
{
	struct supervisor *s = a->control->supervisor;

	if (is_refused(a) || is_early(a))
		return;
	if (!a->is_begun) {
		begin(a);
		if (!a->is_waiting)
			return; /* answered while everything was being stopped */
	}
	kill_in_time(a);
	if (!is_settled(a) || is_zapping(a))
		return;
	if (a->verb == VERB_RESTART && !a->is_second_half && !a->failed) {
		a->is_second_half = true;
		begin(a);
		return;
	}
	say_done(a, a->failed ? 1 : 0, "", -1);
	if (s->phase == PHASE_RUNNING && is_nothing_left(s))
		supervisor_stop(s);
}

static void
on_tick(uv_timer_t *timer)
{
	struct control *c = timer->data;
	bool            any = false;

	for (struct asker *a = c->askers; a; a = a->next) {
		if (a->is_waiting && a->verb != VERB_RELOAD)
			advance(a);
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
	if (is_refused(a))
		return;
	a->is_waiting = true;
	uv_timer_start(&a->control->tick, on_tick, 0, TICK_MS);
}

/* --- commands that are answered at once --- */

static void
say_status(struct asker *a)
{
	struct supervisor *s = a->control->supervisor;
	struct buf         text;
	bool               good = true;

	buf_init(&text, ERROR_TEXT);
	for (size_t i = 0; i < a->n_services; i++) {
		enum service_state state = service_state(s, &a->services[i]);

		buf_clear(&text);
		service_describe(s, &a->services[i], &text);
		say_line(a, a->services[i].name, state == SERVICE_RUNNING,
		    service_state_name(state), buf_string(&text));
		if (state != SERVICE_RUNNING)
			good = false;
	}
	buf_finish(&text);
	say_done(a, good ? 0 : 3, "", -1);
}

static void
hand_out(struct asker *a, enum peer_role role, const char *absent)
{
	int fd = wiring_admin(a->control->supervisor, role);

	if (fd < 0) {
		say_done(a, 75, absent, -1);
		return;
	}
	say_done(a, 0, "", fd);
	close(fd);
}

static void
on_reloaded(bool ok, const char *text, void *context)
{
	struct asker *a = context;

	log_text(ok ? "the configuration was taken anew"
	            : "the old configuration stays: %s", text);
	if (a->peer)
		say_done(a, ok ? 0 : 78, text, -1);
	else
		free(a);
}

/* --- the connection --- */

static bool
fill_services(struct asker *a, struct bytes names, char *error, size_t size)
{
	const struct config *config = a->control->supervisor->config;
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
		say_done(a, 64, error, -1);
		return true;
	}
	switch (a->verb) {
	case VERB_STATUS:
		say_status(a);
		break;
	case VERB_QUEUE:
		hand_out(a, ROLE_QUEUE, "the queue is not there at the moment");
		break;
	case VERB_DNS:
		hand_out(a, ROLE_DNS, "the resolver is not there at the moment");
		break;
	case VERB_RELOAD:
		a->is_waiting = true;
		supervisor_reload(a->control->supervisor, on_reloaded, a);
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
			say_done(a, 75, "the server is stopping", -1);
		if (a->is_waiting)
			advance(a);
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
