#include "ampel/password_prompt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

static const int watched[] = {
	SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGALRM,
};

/* The terminal while it does not echo; its signals come by a descriptor meanwhile. */
struct silence {
	struct termios before;
	sigset_t       mask;
	int            signals;
};

struct bytes
password_typed(const struct typed_password *typed)
{
	return (struct bytes){ typed->text, typed->n };
}

void
password_forget(struct typed_password *typed)
{
	explicit_bzero(typed, sizeof *typed);
}

static void
say(const char *text)
{
	fputs(text, stderr);
	fflush(stderr);
}

/* --- the terminal --- */

static void
silence_end(struct silence *s)
{
	/* FLUSH: what was typed and not read is not for a shell */
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &s->before);
	close(s->signals);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

static bool
silence_begin(struct silence *s)
{
	struct termios silent;
	sigset_t       signals;

	if (tcgetattr(STDIN_FILENO, &s->before) == -1)
		return false;
	sigemptyset(&signals);
	for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
		sigaddset(&signals, watched[i]);
	s->signals = signalfd(-1, &signals, SFD_CLOEXEC);
	if (s->signals == -1)
		return false;
	sigprocmask(SIG_BLOCK, &signals, &s->mask);
	silent = s->before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	silent.c_lflag |= ICANON | ISIG;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0)
		return true;
	silence_end(s);
	return false;
}

/* Until there is something to read: 0, or the signal that came first; -1 with errno. */
static int
silence_wait(struct silence *s)
{
	struct pollfd watch[] = {
		{ .fd = s->signals, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};
	struct signalfd_siginfo info;

	if (poll(watch, 2, -1) == -1)
		return -1;
	if (watch[0].revents == 0)
		return 0;
	if (read(s->signals, &info, sizeof info) != (ssize_t)sizeof info)
		return -1;
	return (int)info.ssi_signo;
}

/* --- a line --- */

/*
 * A byte at a time: what stands behind the line is not ours, and no buffer keeps it. s is
 * NULL when there is no terminal. 0, a signal, or -1 with errno; errno 0: the end.
 */
static int
read_byte(struct silence *s, char *c)
{
	ssize_t got;
	int     signal;

	do {
		signal = s ? silence_wait(s) : 0;
		got = signal == 0 ? read(STDIN_FILENO, c, 1) : 0;
	} while ((signal == -1 || got == -1) && errno == EINTR);
	if (signal == 0 && got == 0)
		errno = 0;
	return signal != 0 ? signal : got == 1 ? 0 : -1;
}

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* 0 when a line was read, good or not (*why); a signal; or -1 and *why. */
static int
read_line(struct silence *s, struct typed_password *typed, const char **why)
{
	char c;
	int  result;

	typed->n = 0;
	*why = NULL;
	while ((result = read_byte(s, &c)) == 0 && c != '\n') {
		if (is_control(c))
			*why = "with a control character in it";
		else if (typed->n == sizeof typed->text)
			*why = "longer than 255 bytes";
		else
			typed->text[typed->n++] = c;
	}
	explicit_bzero(&c, sizeof c);
	if (result == -1 && errno != 0)
		*why = strerror(errno);
	else if (result <= 0 && *why == NULL && typed->n == 0)
		*why = "none";
	return result;
}

/* --- asking --- */

/* Stopped and continued, we ask again. */
static bool
ask_once(struct typed_password *typed, const char *question, const char **why)
{
	struct silence silence;
	int            signal;

	do {
		if (!silence_begin(&silence)) {
			*why = strerror(errno);
			return false;
		}
		say(question);
		signal = read_line(&silence, typed, why);
		say("\n");
		silence_end(&silence);
		if (signal > 0)
			raise(signal);
	} while (signal > 0);
	return *why == NULL;
}

bool
password_ask(struct typed_password *typed, const char *question, bool twice,
    const char **why)
{
	struct typed_password again;
	bool                  is_good;

	prctl(PR_SET_DUMPABLE, 0); /* no core file gets it */
	if (!isatty(STDIN_FILENO)) {
		read_line(NULL, typed, why);
		return *why == NULL;
	}
	if (!ask_once(typed, question, why))
		return false;
	if (!twice)
		return true;
	is_good = ask_once(&again, "Again: ", why);
	if (is_good && !bytes_equal(password_typed(typed), password_typed(&again))) {
		*why = "not twice the same";
		is_good = false;
	}
	password_forget(&again);
	return is_good;
}
