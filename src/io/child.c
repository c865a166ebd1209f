#include "io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/spawning.h"

struct child {
	uv_poll_t    poll; /* on pidfd */
	pid_t        pid;
	int          pidfd;
	child_ended *ended;
	void        *context;
	bool         is_reaped;
	bool         is_closed; /* by child_close */
};

/*
 * The sources, each with a number above every target: then no dup2 in the child
 * overwrites a source that a later one needs, and none is a dup2 onto itself. Those that
 * had to move are in moved, else -1. 0 or an errno.
 */
static int
move_sources(const struct child_spec *spec, int *moved)
{
	for (size_t i = 0; i < spec->n_fds; i++) {
		if (spec->fds[i] < 0 || (size_t)spec->fds[i] >= spec->n_fds)
			continue;
		moved[i] = fcntl(spec->fds[i], F_DUPFD_CLOEXEC, (int)spec->n_fds);
		if (moved[i] == -1)
			return errno;
	}
	return 0;
}

static int
add_fds(posix_spawn_file_actions_t *actions, const struct child_spec *spec,
    const int *moved)
{
	int error = 0;

	/* first, before its number is somebody else's */
	if (spec->folder)
		error = posix_spawn_file_actions_addfchdir_np(actions, *spec->folder);
	for (size_t i = 0; i < spec->n_fds && error == 0; i++) {
		int source = moved[i] != -1 ? moved[i] : spec->fds[i];
		int target = (int)i;

		error = source == -1 ?
		    posix_spawn_file_actions_addopen(
		        actions, target, "/dev/null", O_RDWR, 0) :
		    posix_spawn_file_actions_adddup2(actions, source, target);
	}
	if (error == 0)
		error = posix_spawn_file_actions_addclosefrom_np(
		    actions, (int)spec->n_fds);
	return error;
}

/* posix_spawn wants arrays that it may not change without const. */
union strings {
	const char *const *constant;
	char *const       *plain;
};

static int
spawn_now(const struct child_spec *spec, const struct spawning *s, pid_t *pid)
{
	static const char *const no_env[] = { NULL };
	const union strings      argv = { .constant = spec->argv };
	const union strings env = { .constant = spec->env ? spec->env : no_env };

	return posix_spawn(pid, spec->path, &s->actions, &s->attributes, argv.plain,
	    env.plain);
}

/* A limit is inherited: for that moment it is ours as well. */
static int
spawn_limited(const struct child_spec *spec, const struct spawning *s, pid_t *pid)
{
	struct rlimit ours, limit;
	int           error;

	if (spec->open_files == 0)
		return spawn_now(spec, s, pid);
	if (getrlimit(RLIMIT_NOFILE, &ours) == -1)
		return errno;
	limit = ours;
	if (spec->open_files < limit.rlim_cur)
		limit.rlim_cur = spec->open_files;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		return errno;
	error = spawn_now(spec, s, pid);
	setrlimit(RLIMIT_NOFILE, &ours);
	return error;
}

/* 0 or an errno, that of a failed exec included. */
static int
spawn(const struct child_spec *spec, const int *moved, pid_t *pid)
{
	struct spawning s;
	int             error = spawning_init(&s);

	if (error != 0)
		return error;
	error = add_fds(&s.actions, spec, moved);
	if (error == 0)
		error = spawn_limited(spec, &s, pid);
	spawning_finish(&s);
	return error;
}

/* 0 or an errno. */
static int
start(const struct child_spec *spec, pid_t *pid)
{
	int moved[CHILD_FDS_MAX];
	int error;

	if (spec->n_fds > CHILD_FDS_MAX)
		return EINVAL;
	for (size_t i = 0; i < CHILD_FDS_MAX; i++)
		moved[i] = -1;
	error = move_sources(spec, moved);
	if (error == 0)
		error = spawn(spec, moved, pid);
	for (size_t i = 0; i < CHILD_FDS_MAX; i++)
		if (moved[i] != -1)
			close(moved[i]);
	return error;
}

static void
on_handle_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
free_child(struct child *child)
{
	uv_close((uv_handle_t *)&child->poll, on_handle_closed);
	close(child->pidfd);
}

/* Whether it has ended; then it is reaped, and its pid means nothing any more. */
static bool
reap(struct child *child, struct child_end *end)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) == -1 ||
	    info.si_pid == 0)
		return false;
	child->is_reaped = true;
	*end = (struct child_end){ info.si_code == CLD_EXITED, info.si_status };
	return true;
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct child    *child = poll->data;
	struct child_end end;

	(void)status;
	(void)events;
	if (!reap(child, &end))
		return;
	uv_poll_stop(&child->poll);
	if (child->is_closed)
		free_child(child);
	else
		child->ended(child, end, child->context);
}

/* Watch a process that runs. 0 or an errno, the pidfd is then closed again. */
static int
watch(struct child *child, uv_loop_t *loop)
{
	int error;

	child->pidfd = pidfd_open(child->pid, 0);
	if (child->pidfd == -1)
		return errno;
	error = -uv_poll_init(loop, &child->poll, child->pidfd);
	if (error != 0) {
		close(child->pidfd);
		return error;
	}
	child->poll.data = child;
	uv_poll_start(&child->poll, UV_READABLE, on_poll);
	return 0;
}

struct child *
child_start(uv_loop_t *loop, const struct child_spec *spec, child_ended *ended,
    void *context)
{
	struct child *child = calloc(1, sizeof *child);
	int           error;

	if (child == NULL)
		return NULL;
	child->ended = ended;
	child->context = context;
	error = start(spec, &child->pid);
	if (error != 0)
		goto undo_child;
	error = watch(child, loop);
	if (error == 0)
		return child;
	kill(-child->pid, SIGKILL);
	while (waitpid(child->pid, NULL, 0) == -1 && errno == EINTR)
		;
undo_child:
	free(child);
	errno = error;
	return NULL;
}

pid_t
child_pid(const struct child *child)
{
	return child->pid;
}

void
child_signal(struct child *child, int signal)
{
	if (!child->is_reaped)
		pidfd_send_signal(child->pidfd, signal, NULL, 0);
}

void
child_signal_group(struct child *child, int signal)
{
	/* Until it is reaped, nobody else can have its number. */
	if (!child->is_reaped)
		kill(-child->pid, signal);
}

void
child_close(struct child *child)
{
	if (child == NULL || child->is_closed)
		return;
	child->is_closed = true;
	if (child->is_reaped)
		free_child(child);
	else
		child_signal_group(child, SIGKILL); /* on_poll reaps and frees */
}
