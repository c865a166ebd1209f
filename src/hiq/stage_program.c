/*
 * Programs as filters: a check, or neighbouring commands joined by pipes, which
 * pump.c holds in the middle.
 *
 *     message -> [command] -> pump -> [command] -> pump -> memory file
 *
 * Each has descriptor 3 for filter lines and its standard error to our log.
 * Nothing counts before every one of them has ended well.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hiq/environment.h"
#include "hiq/pump.h"
#include "hiq/stage.h"
#include "io/child.h"
#include "io/memfile.h"
#include "proto/filter_lines.h"
#include "service/event.h"

enum {
	ARENA_MAX = 512 * 1024,
	NOISE_MAX = 2048,
	KILL_AFTER_MS = 2000, /* after the TERM of a filter that took too long */
};

struct program_stage;

/* One filter of the stage. */
struct process {
	struct program_stage *stage;
	size_t                index;
	struct child         *child;  /* NULL: could not be started */
	int                   error;  /* an errno: why */
	uv_timer_t            timer;
	bool                  is_late;
	bool                  is_stopped; /* by us, since one before it decided */
	bool                  has_ended;
	struct child_end      end;

	struct pump          *output; /* a command's */
	enum pump_end         output_end;
	struct pump          *lines, *noise;
	struct buf            lines_text, noise_text;
	struct filter_lines   said;
	char                  reason[128];
};

struct program_stage {
	struct stage       stage;
	struct stage_task  task;
	stage_done        *done;
	void              *context;
	struct arena       arena;
	const char *const *environment;
	int                output;    /* the memory file of the last command, or -1 */
	uv_timer_t         later;     /* to report from the loop */
	size_t             handles;   /* that libuv still has */
	size_t             busy;      /* children and pumps that have not ended */
	struct process     processes[];
};

static const struct config_filter *
filter_of(const struct process *p)
{
	return &p->stage->task.filters[p->index];
}

static bool
is_command(const struct process *p)
{
	return filter_of(p)->kind == FILTER_COMMAND;
}

/* --- the end of the stage --- */

static void
let_go(struct program_stage *s)
{
	if (--s->handles == 0)
		free(s);
}

static void
on_later_closed(uv_handle_t *handle)
{
	let_go(handle->data);
}

static void
on_timer_closed(uv_handle_t *handle)
{
	struct process *p = handle->data;

	let_go(p->stage);
}

static void
close_process(struct process *p)
{
	uv_close((uv_handle_t *)&p->timer, on_timer_closed);
	child_close(p->child);
	pump_close(p->output);
	pump_close(p->lines);
	pump_close(p->noise);
	buf_finish(&p->lines_text);
	buf_finish(&p->noise_text);
	filter_lines_finish(&p->said);
}

/* Everything of it stops here; the memory goes when libuv lets go of it. */
static void
close_stage(struct program_stage *s)
{
	for (size_t i = 0; i < s->task.n; i++)
		close_process(&s->processes[i]);
	if (s->output != -1)
		close(s->output);
	arena_finish(&s->arena);
	uv_close((uv_handle_t *)&s->later, on_later_closed);
}

static void
cancel(struct stage *stage)
{
	close_stage((struct program_stage *)stage);
}

/* --- what a process said --- */

static void
log_noise(const struct process *p)
{
	struct event e;

	if (p->noise_text.len == 0)
		return;
	e = event_begin("filter", &p->stage->task.envelope->id);
	event_text(&e, "filter", filter_of(p)->name);
	event_text(&e, "stderr", buf_bytes(&p->noise_text));
	event_end(&e);
}

static enum colour __attribute__((format(printf, 2, 3)))
fail(struct process *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->reason, sizeof p->reason, format, args);
	va_end(args);
	return COLOUR_ERROR;
}

/* The colour by the way it ended alone. */
static enum colour
colour_of_end(struct process *p)
{
	enum colour colour;

	if (p->error != 0)
		return fail(p, "cannot be started: %s", strerror(p->error));
	if (p->output && p->output_end == PUMP_TOO_LARGE)
		return fail(p, "its output is larger than a message may be");
	if (p->output && p->output_end == PUMP_FAILED)
		return fail(p, "its output could not be kept");
	if (p->is_late)
		return fail(p, "no answer in %llu s",
		    (unsigned long long)(filter_of(p)->timeout_ms / 1000));
	if (!p->end.exited)
		return fail(p, "killed by signal %d", p->end.code);
	colour = (enum colour)filter_of(p)->code_colour[p->end.code & 0xff];
	if (colour == COLOUR_NONE || colour == COLOUR_ERROR)
		return fail(p, "exit code %d", p->end.code);
	return colour;
}

/* Thresholds turn a score into a colour, which can make the exit code's worse. */
static enum colour
colour_of_score(struct process *p, enum colour colour)
{
	const struct config_filter *filter = filter_of(p);
	enum colour                 by_score;

	if (!filter->has_scores)
		return colour;
	if (!p->said.has_score)
		return fail(p, "no score");
	by_score = verdict_colour(
	    p->said.score_milli, filter->yellow_milli, filter->red_milli);
	return by_score > colour ? by_score : colour;
}

/* The whole judgement of one that was not stopped. */
static enum colour
judge(struct process *p)
{
	enum colour colour = colour_of_end(p);

	if (colour == COLOUR_ERROR)
		return colour;
	if (pump_total(p->lines) > FILTER_LINES_MAX)
		return fail(p, "too much on descriptor 3");
	filter_lines_read(&p->said, buf_bytes(&p->lines_text));
	if (p->said.garbled)
		return fail(p, "a garbled line on descriptor 3");
	if (colour == COLOUR_RED)
		return colour;
	if (is_command(p) && pump_total(p->output) == 0)
		return fail(p, "it wrote no message");
	return colour_of_score(p, colour);
}

static void
fill_result(struct process *p, struct stage_result *r)
{
	const struct config_filter *filter = filter_of(p);

	*r = (struct stage_result){ .colour = judge(p) };
	if (r->colour == COLOUR_ERROR) {
		r->reason = bytes_of(p->reason);
		return;
	}
	r->has_score = p->said.has_score;
	r->score_milli = p->said.score_milli;
	r->required_milli = filter->has_scores ? filter->yellow_milli
	    : p->said.has_threshold            ? p->said.threshold_milli
	                                       : 0;
	r->reason = buf_bytes(&p->said.reason);
	r->tests = buf_bytes(&p->said.tests);
	r->marks = buf_bytes(&p->said.marks);
}

/*
 * The rewritten message is given away only when every filter of the stage was green
 * or yellow, so that a truncated one is never taken for a message. A shadow's is for
 * nobody.
 */
static void
take_output(struct program_stage *s, const struct stage_result *results,
    struct stage_report *report)
{
	if (s->output == -1 || s->task.filters[0].shadow)
		return;
	for (size_t i = 0; i < s->task.n; i++)
		if (results[i].colour != COLOUR_GREEN &&
		    results[i].colour != COLOUR_YELLOW)
			return;
	report->output = s->output;
	report->output_size = pump_total(s->processes[s->task.n - 1].output);
	s->output = -1;
}

static void
on_later(uv_timer_t *timer)
{
	struct program_stage *s = timer->data;
	struct stage_result   results[PIPELINE_STAGES_MAX] = { 0 };
	struct stage_report   report = { results, -1, 0 };
	stage_done           *done = s->done;
	void                 *context = s->context;

	for (size_t i = 0; i < s->task.n; i++) {
		log_noise(&s->processes[i]);
		if (!s->processes[i].is_stopped)
			fill_result(&s->processes[i], &results[i]);
	}
	if (s->output != -1 && memfile_seal_if_memory(s->output) == -1)
		results[s->task.n - 1] = (struct stage_result){
			.colour = COLOUR_ERROR,
			.reason = BYTES_INIT("its output could not be kept"),
		};
	take_output(s, results, &report);
	done(&report, context);
	close_stage(s);
}

static void
leave(struct program_stage *s)
{
	if (--s->busy == 0)
		uv_timer_start(&s->later, on_later, 0, 0);
}

/* --- while they run --- */

/*
 * The leader of the group was reaped a moment ago, so its number is free only if nobody
 * else is in the group; then nobody has it yet, since Linux hands numbers out in
 * rising order.
 */
static void
kill_leftovers(pid_t group)
{
	kill(-group, SIGKILL);
}

/* What they see is what a filter that ended badly left: it does not matter. */
static void
stop_those_behind(struct process *p)
{
	struct program_stage *s = p->stage;

	for (size_t i = p->index + 1; i < s->task.n; i++) {
		struct process *behind = &s->processes[i];

		if (behind->has_ended)
			continue;
		if (behind->child)
			child_signal_group(behind->child, SIGKILL);
		behind->is_stopped = true;
	}
}

static void
on_ended(struct child *child, struct child_end end, void *context)
{
	struct process *p = context;
	enum colour     colour;

	p->end = end;
	p->has_ended = true;
	uv_timer_stop(&p->timer);
	kill_leftovers(child_pid(child));
	if (p->index > 0)
		pump_reader_is_gone(p->stage->processes[p->index - 1].output);
	pump_writer_is_gone(p->output);
	pump_writer_is_gone(p->lines);
	pump_writer_is_gone(p->noise);
	colour = colour_of_end(p);
	if (colour != COLOUR_GREEN && colour != COLOUR_YELLOW)
		stop_those_behind(p);
	leave(p->stage);
}

static void
on_output_ended(enum pump_end end, void *context)
{
	struct process *p = context;

	p->output_end = end;
	if (end != PUMP_WHOLE && p->child && !p->has_ended)
		child_signal_group(p->child, SIGKILL);
	leave(p->stage);
}

static void
on_other_ended(enum pump_end end, void *context)
{
	struct process *p = context;

	(void)end;
	leave(p->stage);
}

static void
on_timer(uv_timer_t *timer)
{
	struct process *p = timer->data;

	if (!p->is_late)
		uv_timer_start(timer, on_timer, KILL_AFTER_MS, 0);
	child_signal_group(p->child, p->is_late ? SIGKILL : SIGTERM);
	p->is_late = true;
}

/* --- the beginning --- */

/* A pipe whose reading end is a new pump's. The writing end, or -1 with errno. */
static int
open_pump(struct process *p, struct pump **pump, struct pump_spec spec,
    pump_ended *ended)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1) {
		if (spec.to != -1)
			close(spec.to);
		return -1;
	}
	spec.from = ends[0];
	*pump = pump_open(p->stage->task.loop, &spec, ended, p);
	if (*pump == NULL) {
		int error = errno;

		close(ends[1]);
		errno = error;
		return -1;
	}
	p->stage->busy++;
	return ends[1];
}

/*
 * Descriptors 0 to 3 of the program. next is the standard input of the filter behind,
 * the pump's; -1 for the last. False with errno.
 */
static bool
open_pumps(struct process *p, int next, int fds[4])
{
	const struct stage_task *task = &p->stage->task;
	struct pump_spec         output = { .to = next,
		            .file = next == -1 ? p->stage->output : -1,
		            .max_bytes = task->output_max };
	struct pump_spec         lines = { .to = -1, .file = -1,
		             .kept = &p->lines_text, .max_bytes = UINT64_MAX };
	struct pump_spec         noise = { .to = -1, .file = -1,
		             .kept = &p->noise_text, .max_bytes = UINT64_MAX };

	if (is_command(p))
		fds[1] = open_pump(p, &p->output, output, on_output_ended);
	if (is_command(p) && fds[1] == -1)
		return false;
	fds[2] = open_pump(p, &p->noise, noise, on_other_ended);
	if (fds[2] == -1)
		return false;
	fds[3] = open_pump(p, &p->lines, lines, on_other_ended);
	return fds[3] != -1;
}

/* in stays the caller's. 0 or an errno. */
static int
start_process(struct process *p, int in, int next)
{
	struct program_stage *s = p->stage;
	int                   fds[4] = { in, -1, -1, -1 };
	struct child_spec     spec = { .env = s->environment, .fds = fds, .n_fds = 4 };
	int                   error = 0;

	spec.argv = environment_argv(&s->arena, filter_of(p)->program);
	if (!open_pumps(p, next, fds)) {
		error = errno;
	} else if (spec.argv == NULL) {
		error = ENOMEM;
	} else {
		spec.path = spec.argv[0];
		p->child = child_start(s->task.loop, &spec, on_ended, p);
		error = p->child ? 0 : errno;
	}
	for (size_t i = 1; i < 4; i++)
		if (fds[i] != -1)
			close(fds[i]);
	if (error != 0)
		return error;
	s->busy++;
	uv_timer_start(&p->timer, on_timer, filter_of(p)->timeout_ms, 0);
	return 0;
}

/* Start them from the first on; the first that cannot be started ends it. */
static void
start_all(struct program_stage *s)
{
	int in = memfile_reopen(s->task.fd);
	int error = in == -1 ? errno : 0;

	for (size_t i = 0; i < s->task.n; i++) {
		struct process *p = &s->processes[i];
		int             between[2] = { -1, -1 };

		if (error == 0 && i + 1 < s->task.n &&
		    pipe2(between, O_CLOEXEC) == -1)
			error = errno;
		if (error == 0)
			error = start_process(p, in, between[1]);
		if (in != -1)
			close(in);
		in = between[0];
		if (error == 0)
			continue;
		p->error = error;
		stop_those_behind(p);
		break;
	}
	if (in != -1)
		close(in);
}

static void
init_process(struct program_stage *s, size_t i)
{
	struct process *p = &s->processes[i];

	p->stage = s;
	p->index = i;
	buf_init(&p->lines_text, FILTER_LINES_MAX);
	buf_init(&p->noise_text, NOISE_MAX);
	filter_lines_init(&p->said);
	uv_timer_init(s->task.loop, &p->timer);
	p->timer.data = p;
	s->handles++;
}

struct stage *
stage_program_start(
    const struct stage_task *task, stage_done *done, void *context)
{
	struct program_stage *s =
	    calloc(1, sizeof *s + task->n * sizeof s->processes[0]);

	if (s == NULL)
		return NULL;
	s->stage.cancel = cancel;
	s->task = *task;
	s->done = done;
	s->context = context;
	s->output = -1;
	s->handles = 1;
	s->busy = 1; /* this function itself */
	uv_timer_init(task->loop, &s->later);
	s->later.data = s;
	arena_init(&s->arena, ARENA_MAX);
	for (size_t i = 0; i < task->n; i++)
		init_process(s, i);
	s->environment =
	    environment_of(&s->arena, task->envelope, task->caller);
	if (task->filters[0].kind == FILTER_COMMAND)
		s->output = memfile_new_for("filtered", task->scratch,
		    task->size_bytes);
	if (s->environment == NULL ||
	    (task->filters[0].kind == FILTER_COMMAND && s->output == -1)) {
		close_stage(s);
		return NULL;
	}
	start_all(s);
	leave(s);
	return &s->stage;
}
