#include "service/checker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/spawning.h"
#include "proto/checkpassword.h"

enum {
	INPUT = 3,            /* where the program reads name and password */
	KILLED_MS = 1000,     /* who was killed ends soon */
	NO_SOCKET = -1,
};

/* --- a program --- */

static enum password_answer
try_later(const char *name, char *why, size_t size, const char *what)
{
	snprintf(why, size, "%s: %s", name, what);
	return PASSWORD_TRY_LATER;
}

/* All that the program will read: it fits into a pipe. The end to read, or -1 with errno. */
static int
pipe_with(struct bytes text)
{
	int ends[2], error = 0;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	if (file_write_all(ends[1], text) == -1)
		error = errno;
	close(ends[1]);
	if (error == 0)
		return ends[0];
	close(ends[0]);
	errno = error;
	return -1;
}

/* Sources are above 2, and INPUT is filled last: none is overwritten before its turn. */
static int
add_fds(posix_spawn_file_actions_t *actions, int socket, int input)
{
	int last = socket == NO_SOCKET ? STDERR_FILENO : STDOUT_FILENO;
	int error = 0;

	for (int fd = 0; fd <= last && error == 0; fd++)
		error = socket == NO_SOCKET ?
		    posix_spawn_file_actions_addopen(
		        actions, fd, "/dev/null", O_RDWR, 0) :
		    posix_spawn_file_actions_adddup2(actions, socket, fd);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(actions, input, INPUT);
	if (error == 0)
		error = posix_spawn_file_actions_addclosefrom_np(actions, INPUT + 1);
	return error;
}

/* 0 or an errno, that of a failed exec included. */
static int
spawn(char *const *argv, int socket, int input, pid_t *pid)
{
	struct spawning s;
	int             error = spawning_init(&s);

	if (error != 0)
		return error;
	error = add_fds(&s.actions, socket, input);
	if (error == 0)
		error = posix_spawnp(
		    pid, argv[0], &s.actions, &s.attributes, argv, environ);
	spawning_finish(&s);
	return error;
}

/* 0 or an errno. */
static int
start_with(
    const struct checker *c, struct bytes text, int socket, struct checker_run *run)
{
	int input = pipe_with(text);
	int error;

	if (input == -1)
		return errno;
	/* Who ignores it, inherited so, has his children reaped by the kernel. */
	signal(SIGCHLD, SIG_DFL);
	error = spawn(c->argv, socket, input, &run->pid);
	close(input);
	if (error != 0)
		return error;
	run->pidfd = pidfd_open(run->pid, 0);
	if (run->pidfd != -1)
		return 0;
	error = errno;
	kill(-run->pid, SIGKILL);
	return error;
}

/* PASSWORD_YES: it runs. */
static enum password_answer
start(const struct checker *c, const struct checkpassword *login, int socket,
    struct checker_run *run, char *why, size_t size)
{
	struct buf text;
	int        error;

	buf_init(&text, CHECKPASSWORD_MAX);
	buf_room(&text, CHECKPASSWORD_MAX - 1); /* no growing, no copies */
	if (!checkpassword_add(&text, login->name, login->password))
		error = ENOMEM;
	else
		error = start_with(c, buf_bytes(&text), socket, run);
	buf_wipe(&text);
	return error == 0 ? PASSWORD_YES
	                  : try_later(run->name, why, size, strerror(error));
}

/* --- its end --- */

/* Whether it ended in time. */
static bool
wait_for(const struct checker_run *run, int timeout_ms)
{
	const uint64_t deadline_ms = clock_monotonic_ms() + (uint64_t)timeout_ms;
	struct pollfd  ended = { .fd = run->pidfd, .events = POLLIN };

	for (;;) {
		uint64_t now_ms = clock_monotonic_ms();
		int      left = now_ms < deadline_ms ? (int)(deadline_ms - now_ms) : 0;
		int      n = poll(&ended, 1, left);

		if (n != -1 || errno != EINTR)
			return n == 1;
	}
}

static enum password_answer
judge(const struct checker_run *run, const siginfo_t *end, char *why, size_t size)
{
	bool exited = end->si_code == CLD_EXITED;
	char what[32];

	if (exited && end->si_status == CHECKPASSWORD_OK)
		return PASSWORD_YES;
	if (exited && end->si_status == CHECKPASSWORD_REFUSED)
		return PASSWORD_NO;
	snprintf(what, sizeof what, exited ? "exit code %d" : "killed by signal %d",
	    end->si_status);
	return try_later(run->name, why, size, what);
}

/* It has ended, or it stays: it cannot be killed. */
static enum password_answer
reap(const struct checker_run *run, char *why, size_t size)
{
	siginfo_t end = { 0 };

	if (waitid(P_PIDFD, (id_t)run->pidfd, &end, WEXITED | WNOHANG) == -1)
		return try_later(run->name, why, size, strerror(errno));
	return judge(run, &end, why, size);
}

enum password_answer
checker_end(struct checker_run *run, int timeout_ms, char *why, size_t size)
{
	enum password_answer answer = PASSWORD_TRY_LATER;
	bool                 is_late;

	if (run->pidfd == -1)
		return answer;
	is_late = !wait_for(run, timeout_ms);
	if (is_late && kill(-run->pid, SIGKILL) == 0)
		wait_for(run, KILLED_MS);
	answer = reap(run, why, size);
	if (is_late)
		answer = try_later(run->name, why, size, "no answer in time");
	close(run->pidfd);
	run->pidfd = -1;
	return answer;
}

static int
time_of(const struct checker *c)
{
	return c->timeout_ms > 0 ? c->timeout_ms : CHECKER_TIMEOUT_MS;
}

/* From its start to its end. */
static enum password_answer
ask(const struct checker *c, const struct checkpassword *login, int socket, char *why,
    size_t size)
{
	struct checker_run   run = { .name = c->argv[0], .pidfd = -1 };
	enum password_answer answer = start(c, login, socket, &run, why, size);

	return answer == PASSWORD_YES ? checker_end(&run, time_of(c), why, size)
	                              : answer;
}

/* --- the proof --- */

/* What it says to a name and a password that nobody has. */
static enum password_answer
ask_random(const struct checker *c, int socket, char *why, size_t size)
{
	char                 name[CHECKPASSWORD_PROBE], password[CHECKPASSWORD_PROBE];
	struct checkpassword login = { { name, sizeof name },
		{ password, sizeof password } };

	random_fill(name, sizeof name);
	random_fill(password, sizeof password);
	checkpassword_probe(name);
	checkpassword_probe(password);
	return ask(c, &login, socket, why, size);
}

/*
 * The same of a program that goes on: it hears nothing, and when it says something all the
 * same, somebody was let in.
 */
static enum password_answer
ask_random_over_socket(const struct checker *c, char *why, size_t size)
{
	enum password_answer answer;
	int                  pair[2];
	char                 byte;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return try_later(c->argv[0], why, size, strerror(errno));
	shutdown(pair[0], SHUT_WR);
	answer = ask_random(c, pair[1], why, size);
	if (recv(pair[0], &byte, 1, MSG_DONTWAIT) > 0)
		answer = PASSWORD_YES;
	close(pair[0]);
	close(pair[1]);
	return answer;
}

/* Whether it may be believed; once it has shown that, it is not asked again. */
static bool
prove(struct checker *c, bool goes_on, char *why, size_t size)
{
	enum password_answer answer;

	if (c->is_proved)
		return true;
	answer = goes_on ? ask_random_over_socket(c, why, size)
	                 : ask_random(c, NO_SOCKET, why, size);
	c->is_proved = answer == PASSWORD_NO;
	if (answer == PASSWORD_YES)
		try_later(c->argv[0], why, size,
		    "accepts any password: are its arguments in the wrong place?");
	return c->is_proved;
}

/* --- the question --- */

enum password_answer
checker_ask(struct checker *c, struct bytes user, struct bytes password, char *why,
    size_t size)
{
	const struct checkpassword login = { user, password };

	if (!checkpassword_is_possible(&login))
		return PASSWORD_NO;
	if (!prove(c, false, why, size))
		return PASSWORD_TRY_LATER;
	return ask(c, &login, NO_SOCKET, why, size);
}

enum password_answer
checker_start(struct checker *c, struct bytes user, struct bytes password, int socket,
    struct checker_run *run, char *why, size_t size)
{
	const struct checkpassword login = { user, password };

	*run = (struct checker_run){ .name = c->argv[0], .pidfd = -1 };
	if (!checkpassword_is_possible(&login))
		return PASSWORD_NO;
	if (!prove(c, true, why, size))
		return PASSWORD_TRY_LATER;
	return start(c, &login, socket, run, why, size);
}
