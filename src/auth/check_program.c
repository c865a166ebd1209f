/*
 * By a checkpassword program (cr.yp.to/checkpwd): name and password on its descriptor 3, the
 * answer is its exit code. Its other descriptors are /dev/null: what it writes could be a
 * password.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/check_inside.h"
#include "io/child.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/log.h"
#include "proto/checkpassword.h"

enum {
	WORDS_MAX = 63,
	RUNNING_MAX = 16,
	TIMEOUT_MS = 30 * 1000,
	EXIT_NOT_EXECUTABLE = 126, /* what a shell says */
	EXIT_NOT_FOUND = 127,
};

struct program_check;

struct program_checker {
	struct checker         checker; /* first: a checker is one of these */
	char                  *words;   /* what argv points into */
	const char            *argv[WORDS_MAX + 1];
	size_t                 n_running;
	struct program_check  *first, **last; /* those that wait for their turn */
};

struct program_check {
	struct check          check; /* first: a check is one of these */
	struct program_check *next;
	bool                  is_running;
	struct child         *child;
	uv_timer_t            timer;
	bool                  is_late;
	int                   error; /* an errno: why it could not be started */
	struct child_end      end;
};

/* --- one program --- */

/* Everything that is read by the program, which has not begun: it fits into a pipe. -1 with errno. */
static int
pipe_with(const struct check_task *task)
{
	struct buf text;
	int        ends[2], error = 0;

	buf_init(&text, CHECKPASSWORD_MAX);
	buf_room(&text, CHECKPASSWORD_MAX - 1); /* no growing, no copies */
	if (!checkpassword_add(&text, bytes_of(task->user), task->password))
		error = EMSGSIZE;
	else if (pipe2(ends, O_CLOEXEC) == -1)
		error = errno;
	else {
		if (file_write_all(ends[1], buf_bytes(&text)) == -1)
			error = errno;
		close(ends[1]);
		if (error != 0)
			close(ends[0]);
	}
	buf_wipe(&text);
	errno = error;
	return error == 0 ? ends[0] : -1;
}

static void
take_result(struct program_check *p)
{
	struct check_result *result = &p->check.result;
	char                *why = result->why;
	size_t               size = sizeof result->why;

	result->answer = PASSWORD_TRY_LATER;
	if (p->error != 0)
		snprintf(why, size, "it cannot be started: %s", strerror(p->error));
	else if (p->is_late)
		snprintf(why, size, "no answer in %d s", TIMEOUT_MS / 1000);
	else if (!p->end.exited)
		snprintf(why, size, "killed by signal %d", p->end.code);
	else if (p->end.code == CHECKPASSWORD_OK)
		result->answer = PASSWORD_YES;
	else if (p->end.code == CHECKPASSWORD_REFUSED)
		result->answer = PASSWORD_NO;
	else
		snprintf(why, size, "exit code %d", p->end.code);
	/* of others it is not known whether they exist */
	result->is_user = result->answer == PASSWORD_YES;
}

static void
on_timer_closed(uv_handle_t *handle)
{
	struct program_check *p = handle->data;

	take_result(p);
	check_finish(&p->check);
}

static void run(struct program_check *p);

static void
run_next(struct program_checker *c)
{
	struct program_check *p = c->first;

	if (p == NULL || c->n_running >= RUNNING_MAX)
		return;
	c->first = p->next;
	if (c->first == NULL)
		c->last = &c->first;
	run(p);
}

static void
end(struct program_check *p)
{
	struct program_checker *c = (struct program_checker *)p->check.checker;

	uv_close((uv_handle_t *)&p->timer, on_timer_closed);
	c->n_running--;
	run_next(c);
}

static void
on_ended(struct child *child, struct child_end how, void *context)
{
	struct program_check *p = context;

	p->end = how;
	child_close(child);
	p->child = NULL;
	end(p);
}

static void
on_timer(uv_timer_t *timer)
{
	struct program_check *p = timer->data;

	p->is_late = true;
	child_signal_group(p->child, SIGKILL);
}

static void
run(struct program_check *p)
{
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		NULL,
	};
	struct program_checker *c = (struct program_checker *)p->check.checker;
	int                     fds[4] = { -1, -1, -1, pipe_with(p->check.task) };
	const struct child_spec spec = {
		.path = c->argv[0],
		.argv = c->argv,
		.env = env,
		.fds = fds,
		.n_fds = 4,
	};

	p->is_running = true;
	c->n_running++;
	uv_timer_init(c->checker.loop, &p->timer);
	p->timer.data = p;
	if (fds[3] != -1)
		p->child = child_start(c->checker.loop, &spec, on_ended, p);
	p->error = p->child ? 0 : errno;
	if (fds[3] != -1)
		close(fds[3]);
	if (p->child)
		uv_timer_start(&p->timer, on_timer, TIMEOUT_MS, 0);
	else
		end(p);
}

/* --- the way --- */

/* What no program could be asked is nobody's password. */
static bool
is_possible(const struct check_task *task)
{
	const struct checkpassword login = { bytes_of(task->user), task->password };

	return checkpassword_is_possible(&login);
}

static bool
start(struct check *check)
{
	struct program_checker *c = (struct program_checker *)check->checker;
	struct program_check   *p = (struct program_check *)check;

	if (!is_possible(check->task))
		return check_soon(check, PASSWORD_NO, "");
	*c->last = p;
	c->last = &p->next;
	run_next(c);
	return true;
}

static bool
cancel(struct check *check)
{
	struct program_checker *c = (struct program_checker *)check->checker;
	struct program_check   *p = (struct program_check *)check;

	for (struct program_check **at = &c->first; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			if (c->last == &p->next)
				c->last = at;
			check_drop(check);
			return true;
		}
	return false;
}

static void
kill_program(struct check *check)
{
	struct program_check *p = (struct program_check *)check;

	if (p->child)
		child_signal_group(p->child, SIGKILL);
}

static void
close_program(struct checker *checker)
{
	struct program_checker *c = (struct program_checker *)checker;

	free(c->words);
	free(c);
}

/* Split at blanks, no shell. False: no words, or too many. */
static bool
split(struct program_checker *c)
{
	char  *save = NULL;
	size_t n = 0;

	for (char *word = strtok_r(c->words, " \t", &save); word;
	     word = strtok_r(NULL, " \t", &save)) {
		if (n == WORDS_MAX)
			return false;
		c->argv[n++] = word;
	}
	return n > 0;
}

/* --- trying it out --- */

static void
fill_random(char text[CHECKPASSWORD_PROBE + 1])
{
	random_fill(text, CHECKPASSWORD_PROBE);
	checkpassword_probe(text);
	text[CHECKPASSWORD_PROBE] = '\0';
}

struct probe {
	struct check        *check;
	enum password_answer answer;
	int                  error;
	struct child_end     end;
	char                 why[80];
};

static void
on_probed(const struct check_result *result, void *context)
{
	struct probe               *probe = context;
	const struct program_check *p = (const struct program_check *)probe->check;

	probe->answer = result->answer;
	probe->error = p->error;
	probe->end = p->end;
	memcpy(probe->why, result->why, sizeof probe->why);
}

/* It answers, and does not say yes to anybody. That it has trouble now may pass. */
static bool
is_usable(const struct probe *probe, const char *path, char *error, size_t size)
{
	bool cannot_run = probe->error != 0 ||
	    (probe->end.exited && probe->end.code >= EXIT_NOT_EXECUTABLE &&
	        probe->end.code <= EXIT_NOT_FOUND);

	if (probe->answer == PASSWORD_YES)
		snprintf(error, size,
		    "password_check: %s accepts any password: are its arguments in "
		    "the wrong place?", path);
	else if (cannot_run)
		snprintf(error, size, "password_check: %s: %s", path, probe->why);
	else if (probe->answer == PASSWORD_TRY_LATER)
		log_text("password_check: %s: %s", path, probe->why);
	return !cannot_run && probe->answer != PASSWORD_YES;
}

/* A user and a password that nobody has, in a loop of their own. */
static bool
try_out(const struct program_checker *c, char *error, size_t size)
{
	char                    user[CHECKPASSWORD_PROBE + 1];
	char                    password[CHECKPASSWORD_PROBE + 1];
	const struct check_task task = { user, { password, CHECKPASSWORD_PROBE }, "" };
	struct program_checker  alone = *c;
	struct probe            probe = { .answer = PASSWORD_TRY_LATER };
	uv_loop_t               loop;

	if (uv_loop_init(&loop) != 0) {
		snprintf(error, size, "password_check: no event loop to try it out");
		return false;
	}
	alone.checker.way = &check_program;
	alone.checker.loop = &loop;
	alone.last = &alone.first;
	fill_random(user);
	fill_random(password);
	probe.check = check_start(&alone.checker, &task, on_probed, &probe);
	probe.error = probe.check ? 0 : ENOMEM; /* until it is probed */
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return is_usable(&probe, c->argv[0], error, size);
}

static struct checker *
open_program(
    uv_loop_t *loop, const struct config *config, char *error, size_t size)
{
	struct program_checker *c = calloc(1, sizeof *c);

	(void)loop;
	if (c)
		c->words = strndup(config->password_check.p, config->password_check.n);
	if (c == NULL || c->words == NULL) {
		snprintf(error, size, "no memory");
		free(c);
		return NULL;
	}
	c->last = &c->first;
	if (!split(c))
		snprintf(error, size, "password_check: expected a program");
	else if (try_out(c, error, size))
		return &c->checker;
	close_program(&c->checker);
	return NULL;
}

const struct check_way check_program = {
	.check_size = sizeof(struct program_check),
	.open = open_program,
	.close = close_program,
	.start = start,
	.cancel = cancel,
	.kill = kill_program,
};
