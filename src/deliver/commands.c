#include "deliver/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/printable.h"
#include "deliver/message.h"
#include "deliver/tail.h"
#include "io/child.h"
#include "io/file.h"

enum {
	TERM_MS = 2000,     /* from TERM to KILL */
	END_STEPS = 30,     /* the same in a zap: the supervisor waits no longer */
	END_STEP_MS = 50,
	READS_AT_ONCE = 16,
	OPEN_FILES = 1024,
	HANDLES = 2,
};

enum state {
	WAITING,   /* for its turn */
	UNSTARTED, /* it could not be started, as is said in a moment */
	RUNNING,
	STOPPING,  /* it had TERM */
	KILLED,
};

struct command {
	struct command     *next, *before; /* of all that wait, or of all that run */
	struct commands    *commands;
	struct command_spec spec;
	command_ended      *ended;
	void               *context;
	enum state          state;
	struct child       *child;
	int                 error;    /* why UNSTARTED */
	uv_timer_t          timer;    /* the deadline */
	uv_poll_t           poll;     /* on output */
	int                 output;   /* -1: none */
	int                 n_handles; /* that are to be closed before it is freed */
	struct tail         said;
};

struct list {
	struct command *first, *last;
	size_t          n;
};

struct commands {
	uv_loop_t  *loop;
	struct list waiting, running;
	bool        is_stopping;
	bool        is_over; /* nothing begins any more */
};

/* --- the lists --- */

static void
join(struct list *l, struct command *c)
{
	c->next = NULL;
	c->before = l->last;
	*(l->last ? &l->last->next : &l->first) = c;
	l->last = c;
	l->n++;
}

static void
leave(struct list *l, struct command *c)
{
	*(c->before ? &c->before->next : &l->first) = c->next;
	*(c->next ? &c->next->before : &l->last) = c->before;
	l->n--;
}

static void
on_handle_closed(uv_handle_t *handle)
{
	struct command *c = handle->data;

	if (--c->n_handles == 0)
		free(c);
}

static void
close_output(struct command *c)
{
	if (c->output == -1)
		return;
	uv_close((uv_handle_t *)&c->poll, on_handle_closed);
	close(c->output);
	c->output = -1;
}

/* Out of its list, and freed by the loop. */
static void
free_command(struct command *c)
{
	struct commands *cs = c->commands;

	leave(c->state == WAITING ? &cs->waiting : &cs->running, c);
	child_close(c->child);
	close_output(c);
	uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

/* --- output --- */

/* False: there is no more for now, or for ever. */
static bool
read_output(struct command *c)
{
	char    piece[4096];
	ssize_t got = read(c->output, piece, sizeof piece);

	if (got > 0)
		tail_add(&c->said, (struct bytes){ piece, (size_t)got });
	else if (got == 0)
		close_output(c);
	return got > 0;
}

static void
on_output(uv_poll_t *poll, int status, int events)
{
	struct command *c = poll->data;

	(void)status;
	(void)events;
	read_output(c);
}

/* --- the end --- */

/* qmail-command(8), EXIT CODES; every other one defers. */
static enum command_result
result_of(int code)
{
	static const struct {
		int                 code;
		enum command_result result;
	} table[] = {
		{ 0, COMMAND_DONE },
		{ 99, COMMAND_DONE_FOR_ALL },
		{ 100, COMMAND_FAILED },
		{ 64, COMMAND_FAILED },
		{ 65, COMMAND_FAILED },
		{ 70, COMMAND_FAILED },
		{ 76, COMMAND_FAILED },
		{ 77, COMMAND_FAILED },
		{ 78, COMMAND_FAILED },
		{ 112, COMMAND_FAILED },
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (table[i].code == code)
			return table[i].result;
	return COMMAND_DEFERRED;
}

/* How it ended, when its output does not say. */
static void
describe(const struct command *c, struct child_end end, struct buf *b)
{
	if (c->state == UNSTARTED)
		buf_addf(b, "the program could not be started: %s",
		    strerror(c->error));
	else if (c->state != RUNNING)
		buf_addf(b, "the program ran for more than %llu s and was stopped",
		    (unsigned long long)(c->spec.timeout_ms / 1000));
	else if (!end.exited)
		buf_addf(b, "the program was killed by signal %d", end.code);
	else if (c->said.n > 0)
		printable_add(b, tail_lines(&c->said), TAIL_TEXT);
	else
		buf_addf(b, "the program exited %d", end.code);
}

static void start_waiting(struct commands *cs);

static void
finish(struct command *c, struct child_end end)
{
	struct commands   *cs = c->commands;
	command_ended     *ended = c->ended;
	void              *context = c->context;
	char               room[TAIL_TEXT + 64];
	struct buf         b = { .p = room, .cap = sizeof room,
		.max = sizeof room - 1 };
	struct command_end answer = { .result = COMMAND_DEFERRED };

	if (c->state == RUNNING && end.exited)
		answer.result = result_of(end.code);
	describe(c, end, &b);
	answer.text = bytes_trim(buf_bytes(&b));
	free_command(c);
	ended(&answer, context);
	start_waiting(cs);
}

static void
on_child_ended(struct child *child, struct child_end end, void *context)
{
	struct command *c = context;

	(void)child;
	/* what it said last; who holds the other end in the background is not waited for */
	for (int i = 0; i < READS_AT_ONCE && c->output != -1; i++)
		if (!read_output(c))
			break;
	finish(c, end);
}

static void
on_timer(uv_timer_t *timer)
{
	struct command *c = timer->data;

	switch (c->state) {
	case UNSTARTED:
		finish(c, (struct child_end){ false, 0 });
		break;
	case RUNNING:
		c->state = STOPPING;
		child_signal_group(c->child, SIGTERM);
		uv_timer_start(&c->timer, on_timer, TERM_MS, 0);
		break;
	case STOPPING:
		c->state = KILLED;
		child_signal_group(c->child, SIGKILL);
		break;
	case WAITING:
	case KILLED:
		break;
	}
}

/* --- the beginning --- */

/* 0, or an errno. */
static int
watch_output(struct command *c, int output)
{
	int error = 0;

	if (file_set_nonblocking(output, true) == -1)
		error = errno;
	if (error == 0)
		error = -uv_poll_init(c->commands->loop, &c->poll, output);
	if (error != 0) {
		close(output);
		return error;
	}
	c->output = output;
	c->poll.data = c;
	c->n_handles++;
	uv_poll_start(&c->poll, UV_READABLE, on_output);
	return 0;
}

/* 0, or an errno. */
static int
spawn(struct command *c, int message, int output)
{
	const char *const       argv[] = { "sh", "-c", c->spec.line, NULL };
	const int               fds[] = { message, output, output };
	const struct child_spec spec = {
		.path = "/bin/sh",
		.argv = argv,
		.env = c->spec.env,
		.fds = fds,
		.n_fds = 3,
		.folder = &c->spec.home,
		.open_files = OPEN_FILES,
	};

	c->child = child_start(c->commands->loop, &spec, on_child_ended, c);
	return c->child == NULL ? errno : 0;
}

/* 0, or an errno. */
static int
spawn_with_output(struct command *c, int message)
{
	int ends[2];
	int error;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return errno;
	error = watch_output(c, ends[0]);
	if (error == 0)
		error = spawn(c, message, ends[1]);
	close(ends[1]);
	return error;
}

static void
start(struct command *c)
{
	int message = message_open(c->spec.body, c->spec.size_bytes);

	leave(&c->commands->waiting, c);
	join(&c->commands->running, c);
	c->error = message == -1 ? errno : spawn_with_output(c, message);
	if (message != -1)
		close(message);
	c->state = c->error == 0 ? RUNNING : UNSTARTED;
	uv_timer_start(&c->timer, on_timer,
	    c->error == 0 ? c->spec.timeout_ms : 0, 0);
}

static struct command *
next_waiting(const struct commands *cs)
{
	struct command *c = cs->is_over ? NULL : cs->waiting.first;

	while (c && cs->is_stopping && !c->spec.goes_on)
		c = c->next;
	return c;
}

static void
start_waiting(struct commands *cs)
{
	struct command *c;

	while (cs->running.n < COMMANDS_AT_ONCE && (c = next_waiting(cs)) != NULL)
		start(c);
}

struct command *
commands_run(struct commands *cs, const struct command_spec *spec,
    command_ended *ended, void *context)
{
	struct command *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->commands = cs;
	c->spec = *spec;
	c->ended = ended;
	c->context = context;
	c->output = -1;
	uv_timer_init(cs->loop, &c->timer);
	c->timer.data = c;
	c->n_handles = 1;
	join(&cs->waiting, c);
	start_waiting(cs);
	return c;
}

void
command_cancel(struct command *c)
{
	struct commands *cs;

	if (c == NULL)
		return;
	cs = c->commands;
	free_command(c);
	start_waiting(cs);
}

/* --- all of them --- */

struct commands *
commands_new(uv_loop_t *loop)
{
	struct commands *cs = calloc(1, sizeof *cs);

	if (cs != NULL)
		cs->loop = loop;
	return cs;
}

static void
signal_all(struct commands *cs, int signal)
{
	for (struct command *c = cs->running.first; c; c = c->next)
		if (c->child)
			child_signal_group(c->child, signal);
}

/* It is not reaped: its number, and its group's, stay what they are. */
static bool
has_ended(const struct command *c)
{
	siginfo_t info = { 0 };

	return c->child == NULL ||
	    (waitid(P_PID, (id_t)child_pid(c->child), &info,
	         WEXITED | WNOHANG | WNOWAIT) == 0 &&
	        info.si_pid != 0);
}

static bool
have_all_ended(const struct commands *cs)
{
	for (const struct command *c = cs->running.first; c; c = c->next)
		if (!has_ended(c))
			return false;
	return true;
}

void
commands_end(struct commands *cs)
{
	const struct timespec step = { 0, END_STEP_MS * 1000 * 1000 };

	cs->is_over = true;
	signal_all(cs, SIGTERM);
	for (int i = 0; i < END_STEPS && !have_all_ended(cs); i++)
		nanosleep(&step, NULL);
	signal_all(cs, SIGKILL);
}

void
commands_free(struct commands *cs)
{
	free(cs);
}

void
commands_stop(struct commands *cs)
{
	cs->is_stopping = true;
}

size_t
commands_busy(const struct commands *cs)
{
	size_t n = cs->running.n;

	for (const struct command *c = cs->waiting.first; c; c = c->next)
		n += c->spec.goes_on;
	return n;
}
