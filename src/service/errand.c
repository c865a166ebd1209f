#include "service/errand.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/log.h"
#include "io/packet.h"
#include "io/peer_blocking.h"
#include "io/sandbox.h"

_Static_assert((int)PEER_FRAME_MAX == (int)FRAME_MAX, "one size of frame");
_Static_assert((int)PEER_DESCRIPTORS == (int)FRAME_DESCRIPTORS, "and of its luggage");

enum {
	CONTROL = 3,
	ERROR_TEXT = 512,
	SMALL_FRAME = 1024,       /* all that we send to the supervisor */
	CROWDED_PAUSE_MS = 20,
	CROWDED_TRIES_MAX = 1500, /* half a minute */
};

/* Only what has come takes memory. */
static char room[PEER_FRAME_MAX];

static void
end(struct errand *e, int exit_code)
{
	e->is_over = true;
	e->exit_code = exit_code;
}

/* --- the supervisor --- */

static void
answer(struct errand *e, const struct buf *frame)
{
	if (frame->failed ||
	    !peer_send_blocking(CONTROL, buf_bytes(frame), NULL, 0))
		end(e, 1);
}

static struct buf
small_frame(char space[SMALL_FRAME])
{
	return (struct buf){ .p = space, .cap = SMALL_FRAME, .max = SMALL_FRAME - 1 };
}

static bool
enter_sandbox(struct errand *e, const struct msg_config *m, char *error, size_t size)
{
	const struct sandbox sandbox = {
		.drop = m->drop != 0,
		.uid = m->uid,
		.gid = m->gid,
		.open_files = e->open_files,
	};

	if (m->chroot) { /* it would be a user's own folder */
		snprintf(error, size, "an errand is not done in a chroot");
		return false;
	}
	e->is_sandboxed = e->is_sandboxed || sandbox_enter(&sandbox, error, size);
	return e->is_sandboxed;
}

/* The file is the settings of this program, and there are none. */
static bool
on_config(struct errand *e, struct bytes frame, int *fds, size_t n_fds)
{
	struct msg_config m;
	char              error[ERROR_TEXT] = "", space[SMALL_FRAME];
	struct buf        b = small_frame(space);

	(void)fds;
	if (!msg_config_read(frame, &m) || n_fds != 1)
		return false;
	e->generation = m.generation;
	if (enter_sandbox(e, &m, error, sizeof error))
		msg_prepared_add(&b, &(struct msg_prepared){ m.generation });
	else
		msg_refused_add(
		    &b, &(struct msg_refused){ m.generation, bytes_of(error) });
	answer(e, &b);
	return true;
}

static bool
on_user(struct errand *e, struct bytes frame, int *fds, size_t n_fds)
{
	struct msg_user m;

	(void)fds;
	(void)n_fds;
	if (!msg_user_read(frame, &m) || e->home != NULL)
		return false;
	e->home = strndup(m.home.p, m.home.n);
	return e->home != NULL;
}

static bool
on_peer(struct errand *e, struct bytes frame, int *fds, size_t n_fds)
{
	struct msg_peer m;

	if (!msg_peer_read(frame, &m) || n_fds != 1 || m.role != e->role ||
	    e->peer != -1)
		return false;
	e->peer = fds[0];
	fds[0] = -1;
	return true;
}

static bool
on_use(struct errand *e, struct bytes frame, int *fds, size_t n_fds)
{
	struct msg_use m;
	char           space[SMALL_FRAME];
	struct buf     b = small_frame(space);

	(void)fds;
	(void)n_fds;
	if (!msg_use_read(frame, &m) || m.generation != e->generation ||
	    e->home == NULL || e->peer == -1)
		return false;
	e->is_ready = true;
	msg_ready_add(&b, &(struct msg_ready){ m.generation });
	answer(e, &b);
	return true;
}

static bool
on_stats(struct errand *e, struct bytes frame, int *fds, size_t n_fds)
{
	struct msg_stats m;
	char             space[SMALL_FRAME];
	struct buf       b = small_frame(space);

	(void)fds;
	(void)n_fds;
	if (!msg_stats_read(frame, &m))
		return false;
	msg_stats_add(&b, &(struct msg_stats){ .q = m.q });
	answer(e, &b);
	return true;
}

static bool
on_stop(struct errand *e, struct bytes frame, int *fds, size_t n_fds)
{
	struct msg_stop m;

	(void)fds;
	(void)n_fds;
	if (!msg_stop_read(frame, &m))
		return false;
	end(e, 0);
	return true;
}

static const struct {
	enum message_type type;
	bool              in_sandbox; /* not before */
	size_t            max_fds;
	bool            (*handle)(
	    struct errand *e, struct bytes frame, int *fds, size_t n_fds);
} permits[] = {
	{ MSG_CONFIG, false, 1, on_config },
	{ MSG_USER, true, 0, on_user },
	{ MSG_PEER, true, 1, on_peer },
	{ MSG_USE, true, 0, on_use },
	{ MSG_STATS, true, 0, on_stats },
	{ MSG_STOP, false, 0, on_stop },
};

static bool
handle(struct errand *e, struct bytes frame, int *fds, size_t n_fds)
{
	for (size_t i = 0; i < sizeof permits / sizeof permits[0]; i++)
		if (frame_type(frame) == permits[i].type)
			return (e->is_sandboxed || !permits[i].in_sandbox) &&
			    n_fds <= permits[i].max_fds &&
			    permits[i].handle(e, frame, fds, n_fds);
	return false;
}

/* One frame of the supervisor; waits for it. */
static void
hear_supervisor(struct errand *e)
{
	struct bytes frame;
	int          fds[PEER_DESCRIPTORS];
	size_t       n_fds = 0;

	if (!peer_receive_blocking(CONTROL, room, &frame, fds, 0)) {
		log_text("the supervisor is gone: ending");
		end(e, 1);
		return;
	}
	while (n_fds < PEER_DESCRIPTORS && fds[n_fds] != -1)
		n_fds++;
	if (!handle(e, frame, fds, n_fds)) {
		log_text("the supervisor sent %s out of turn: ending",
		    message_name(frame_type(frame)));
		end(e, 1);
	}
	packet_close(fds, PEER_DESCRIPTORS);
}

bool
errand_begin(struct errand *e)
{
	e->control = CONTROL;
	e->peer = -1;
	log_open(e->program);
	sandbox_begin(CONTROL + 1);
	while (!e->is_over && !e->is_ready)
		hear_supervisor(e);
	return !e->is_over;
}

/* --- or alone --- */

static bool
is_root(void)
{
	uid_t real, effective, saved;

	return getresuid(&real, &effective, &saved) == -1 || real == 0 ||
	    effective == 0 || saved == 0;
}

/* NULL: there is none. */
static char *
home_of_environment(void)
{
	const char *home = getenv("HOME");
	struct stat st;

	if (home == NULL || home[0] != '/' || stat(home, &st) == -1 ||
	    !S_ISDIR(st.st_mode))
		return NULL;
	return strdup(home);
}

static bool
is_packet_socket(int fd)
{
	int       type = 0;
	socklen_t size = sizeof type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	    type == SOCK_SEQPACKET;
}

/* NULL, or why not. */
static const char *
alone_refusal(const struct errand *e)
{
	if (is_root())
		return "will not run as root: whoever checked the password did not "
		       "become the user";
	if (!is_packet_socket(STDIN_FILENO))
		return "is started by another program and not by hand";
	if (e->home == NULL)
		return "HOME is no folder";
	return NULL;
}

bool
errand_begin_alone(struct errand *e)
{
	const struct sandbox sandbox = { .open_files = e->open_files };
	char                 error[ERROR_TEXT];
	const char          *refusal;

	e->control = -1;
	e->peer = -1;
	log_open(e->program);
	e->home = home_of_environment();
	refusal = alone_refusal(e);
	if (refusal == NULL) {
		close(STDOUT_FILENO); /* the socket once more; it becomes /dev/null */
		sandbox_begin(STDERR_FILENO + 1);
		if (!sandbox_enter(&sandbox, error, sizeof error))
			refusal = error;
	}
	if (refusal) {
		log_text("%s", refusal);
		end(e, 1);
		return false;
	}
	e->is_sandboxed = true;
	e->peer = STDIN_FILENO;
	return true;
}

void
errand_finish(struct errand *e)
{
	if (e->peer != -1)
		close(e->peer);
	e->peer = -1;
	free(e->home);
	e->home = NULL;
}

/* --- the peer --- */

/* Until the peer's socket is ready for that; poll passes over a control of -1. False: it is over. */
static bool
wait_for_peer(struct errand *e, short events)
{
	struct pollfd p[] = {
		{ .fd = e->control, .events = POLLIN },
		{ .fd = e->peer, .events = events },
	};

	while (!e->is_over) {
		if (poll(p, 2, -1) == -1) {
			if (errno != EINTR && errno != EAGAIN)
				end(e, 1);
			continue;
		}
		if (p[0].revents != 0)
			hear_supervisor(e);
		else if (p[1].revents != 0)
			return true;
	}
	return false;
}

bool
errand_receive(struct errand *e, struct bytes *frame)
{
	int fds[PEER_DESCRIPTORS];

	if (!wait_for_peer(e, POLLIN))
		return false;
	if (!peer_receive_blocking(e->peer, room, frame, fds, 0)) {
		end(e, 0);
		return false;
	}
	packet_close(fds, PEER_DESCRIPTORS);
	return true;
}

/*
 * The kernel bounds how many descriptors one user may have under way, in all his
 * processes. Peers take theirs out soon.
 */
static bool
is_crowded(int tries)
{
	if (errno != ETOOMANYREFS || tries >= CROWDED_TRIES_MAX)
		return false;
	poll(NULL, 0, CROWDED_PAUSE_MS);
	return true;
}

bool
errand_send(struct errand *e, struct bytes frame, const int *fds, size_t n_fds)
{
	for (int tries = 0; wait_for_peer(e, POLLOUT); tries++) {
		if (peer_send_blocking(e->peer, frame, fds, n_fds))
			return true;
		if (errno != EAGAIN && !is_crowded(tries))
			end(e, errno == EPIPE || errno == ECONNRESET ? 0 : 1);
	}
	return false;
}

void
errand_refuse(struct errand *e, struct bytes frame)
{
	log_text("the peer sent %s, which was refused: ending",
	    message_name(frame_type(frame)));
	end(e, 1);
}
