#include "hiq/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A child that a caller ignores would be reaped by the kernel, its exit code lost.
 */
static const struct {
	int    number;
	void (*action)(int);
} changed_signals[CALLER_SIGNALS] = {
	{ SIGPIPE, SIG_IGN },
	{ SIGCHLD, SIG_DFL },
};

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

/* Whoever comes after us finds it closed again. */
static void
open_stderr(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd == -1 || fd == STDERR_FILENO)
		return;
	dup3(fd, STDERR_FILENO, O_CLOEXEC);
	close(fd);
}

void
caller_meet(struct caller *c)
{
	*c = (struct caller){ .pid = getppid() };
	c->has_message = is_open(CALLER_MESSAGE);
	c->has_envelope = is_open(CALLER_ENVELOPE);
	c->has_text = is_open(CALLER_TEXT);
	if (!is_open(STDERR_FILENO))
		open_stderr();
}

bool
caller_take(struct caller *c)
{
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	sigprocmask(SIG_SETMASK, NULL, &c->mask);
	for (size_t i = 0; i < CALLER_SIGNALS; i++) {
		struct sigaction ours = { .sa_handler = changed_signals[i].action };

		sigaction(changed_signals[i].number, &ours, &c->actions[i]);
	}
	c->is_taken = true;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return getppid() == c->pid; /* he may have died before we asked for that */
}

/* The writing end of a pipe; others say nothing of who reads them. */
static bool
tells_of_reader(int fd)
{
	struct stat st;
	int         flags = fcntl(fd, F_GETFL);

	return flags != -1 && (flags & O_ACCMODE) == O_WRONLY &&
	    fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/*
 * A set of its own, since libuv would make his descriptor non-blocking for everybody who
 * has it. -1 with errno.
 */
static int
open_set(const struct caller *c, const sigset_t *signals)
{
	struct epoll_event readable = { .events = EPOLLIN };
	struct epoll_event broken = { .events = 0 }; /* EPOLLERR always is */
	int                set = epoll_create1(EPOLL_CLOEXEC);
	int                fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);

	/* fd is not closed: it ends with the process. */
	if (set == -1 || fd == -1 ||
	    epoll_ctl(set, EPOLL_CTL_ADD, fd, &readable) == -1)
		return -1;
	if (c->has_text && tells_of_reader(CALLER_TEXT) &&
	    epoll_ctl(set, EPOLL_CTL_ADD, CALLER_TEXT, &broken) == -1)
		return -1;
	return set;
}

static void
on_gone(uv_poll_t *poll, int status, int events)
{
	struct caller *c = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	c->gone(c->context);
}

bool
caller_watch(
    struct caller *c, uv_loop_t *loop, void (*gone)(void *context), void *context)
{
	sigset_t signals;
	int      set;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	set = open_set(c, &signals);
	if (set == -1 || uv_poll_init(loop, &c->poll, set) != 0)
		return false;
	c->gone = gone;
	c->context = context;
	c->poll.data = c;
	return uv_poll_start(&c->poll, UV_READABLE, on_gone) == 0;
}

void
caller_give_back(struct caller *c)
{
	if (!c->is_taken)
		return;
	/* Cleared first: it is whom we become that outlives him now, or does not. */
	prctl(PR_SET_PDEATHSIG, 0);
	if (c->has_text)
		fcntl(CALLER_TEXT, F_SETFD, 0);
	for (size_t i = 0; i < CALLER_SIGNALS; i++)
		sigaction(changed_signals[i].number, &c->actions[i], NULL);
	/* What has come in the meantime kills us here, with nothing queued. */
	sigprocmask(SIG_SETMASK, &c->mask, NULL);
}

bool
caller_tell(const struct caller *c, struct bytes text)
{
	ssize_t put;

	if (!c->has_text)
		return false;
	do
		put = write(CALLER_TEXT, text.p, text.n);
	while (put == -1 && errno == EINTR);
	return put == (ssize_t)text.n;
}
