#include "smtpd/stdio_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/file.h"
#include "io/log.h"
#include "io/place.h"
#include "io/spawning.h"

enum {
	KILLED_MS = 1000, /* who was killed ends soon, or is another user and stays */
	TEXT_FD = QMAIL_QUEUE_TEXT_FD,
	READS_AT_ONCE = 16,
};

/* As they are installed, wherever that is. */
#define INJECT "../../bin/ampel-inject"

/* Sources, each above all targets. */
struct ends {
	int message, envelope, text;
};

struct run {
	pid_t                  pid;   /* and its process group */
	int                    pidfd;
	int                    text;  /* the end that we read; -1: it has come to its end */
	struct stdio_queue_end end;
};

/* --- its start --- */

static int
add_fds(posix_spawn_file_actions_t *actions, const struct ends *e)
{
	int error = posix_spawn_file_actions_adddup2(actions, e->message, STDIN_FILENO);

	if (error == 0)
		error = posix_spawn_file_actions_adddup2(
		    actions, e->envelope, STDOUT_FILENO);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(actions, e->text, TEXT_FD);
	for (int fd = STDERR_FILENO + 1; fd < TEXT_FD && error == 0; fd++)
		error = posix_spawn_file_actions_addclose(actions, fd);
	if (error == 0)
		error = posix_spawn_file_actions_addclosefrom_np(actions, TEXT_FD + 1);
	return error;
}

/* 0 or an errno, that of a failed exec included. */
static int
spawn(const struct stdio_queue *q, char *path, const struct ends *e, pid_t *pid)
{
	char           *argv[] = { path, NULL };
	struct spawning s;
	int             error = spawning_init(&s);

	if (error != 0)
		return error;
	error = add_fds(&s.actions, e);
	if (error == 0 && q->folder)
		error = posix_spawn_file_actions_addchdir_np(&s.actions, q->folder);
	if (error == 0)
		error = posix_spawn(pid, path, &s.actions, &s.attributes, argv, environ);
	spawning_finish(&s);
	return error;
}

/* A copy above the targets; it shares the offset, which is set to the beginning. */
static int
source_of(int fd)
{
	if (lseek(fd, 0, SEEK_SET) == -1)
		return -1;
	return fcntl(fd, F_DUPFD_CLOEXEC, TEXT_FD + 1);
}

static void
close_ends(const struct ends *e)
{
	const int all[] = { e->message, e->envelope, e->text };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i] != -1)
			close(all[i]);
}

/* The pipe that it may say something by: *text is our end, which does not block. -1 with errno. */
static int
open_text(int *text)
{
	int ends[2], source;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	source = fcntl(ends[1], F_DUPFD_CLOEXEC, TEXT_FD + 1);
	close(ends[1]);
	if (source == -1 || file_set_nonblocking(ends[0], true) == -1) {
		close(ends[0]);
		ends[0] = -1;
	}
	*text = ends[0];
	return source;
}

/* 0 or an errno. */
static int
start(struct run *r, const struct stdio_queue *q, char *path, int message,
    int envelope)
{
	struct ends e = { .message = source_of(message),
		.envelope = source_of(envelope), .text = open_text(&r->text) };
	int         error = errno;

	if (e.message != -1 && e.envelope != -1 && e.text != -1 && r->text != -1)
		error = spawn(q, path, &e, &r->pid);
	close_ends(&e);
	if (error != 0)
		return error;
	r->end.pid = r->pid;
	r->pidfd = pidfd_open(r->pid, 0);
	if (r->pidfd != -1)
		return 0;
	error = errno;
	kill(-r->pid, SIGKILL);
	return error;
}

/* --- its end --- */

static void
keep_text(struct stdio_queue_end *end, const char *p, size_t n)
{
	size_t room = sizeof end->text - end->text_bytes;

	if (n > room)
		n = room;
	memcpy(end->text + end->text_bytes, p, n);
	end->text_bytes += n;
}

/* As far as it is there; who never stops is not followed for ever. */
static void
read_text(struct run *r)
{
	char    piece[QMAIL_QUEUE_TEXT_MAX];
	ssize_t n = 1;

	for (int i = 0; i < READS_AT_ONCE && n > 0; i++) {
		n = read(r->text, piece, sizeof piece);
		if (n > 0)
			keep_text(&r->end, piece, (size_t)n);
	}
	if (n == 0) {
		close(r->text);
		r->text = -1;
	}
}

/*
 * Whether it ended in time. It is its end that counts: what it has left behind may hold
 * descriptor 6 for ever.
 */
static bool
wait_for(struct run *r, int timeout_ms)
{
	const uint64_t deadline_ms = clock_monotonic_ms() + (uint64_t)timeout_ms;

	for (;;) {
		struct pollfd ready[] = { { .fd = r->pidfd, .events = POLLIN },
			{ .fd = r->text, .events = POLLIN } };
		uint64_t      now_ms = clock_monotonic_ms();
		int left = now_ms < deadline_ms ? (int)(deadline_ms - now_ms) : 0;
		int n = poll(ready, 2, left);

		if (n > 0 && ready[1].revents != 0)
			read_text(r);
		if (n > 0 && ready[0].revents != 0)
			return true;
		if (left == 0 || (n == -1 && errno != EINTR))
			return false;
	}
}

static int
reap(struct run *r)
{
	siginfo_t end = { 0 };

	if (waitid(P_PIDFD, (id_t)r->pidfd, &end, WEXITED | WNOHANG) == -1 ||
	    end.si_pid == 0)
		return QMAIL_QUEUE_LOST;
	return end.si_code == CLD_EXITED ? end.si_status : QMAIL_QUEUE_CRASHED;
}

static void
finish(struct run *r, int timeout_ms)
{
	bool is_late = !wait_for(r, timeout_ms);

	if (is_late && kill(-r->pid, SIGKILL) == 0)
		wait_for(r, KILLED_MS);
	if (r->text != -1)
		read_text(r); /* said before it ended */
	r->end.code = reap(r);
	if (is_late)
		r->end.code = QMAIL_QUEUE_TIMEOUT;
}

struct stdio_queue_end
stdio_queue_run(const struct stdio_queue *q, int message, int envelope)
{
	struct run r = { .pidfd = -1, .text = -1,
		.end = { .code = QMAIL_QUEUE_NOT_RUN } };
	char       inject[PATH_MAX];
	char      *path = q->program;
	int        error = ENOENT;

	if (path == NULL && place_beside(INJECT, inject, sizeof inject))
		path = inject;
	if (path)
		error = start(&r, q, path, message, envelope);
	if (error == 0)
		finish(&r, q->timeout_ms);
	else
		log_text("%s cannot be run: %s", path ? path : "ampel-inject",
		    strerror(error));
	if (r.pidfd != -1)
		close(r.pidfd);
	if (r.text != -1)
		close(r.text);
	return r.end;
}
