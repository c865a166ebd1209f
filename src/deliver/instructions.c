#include "deliver/instructions.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deliver/beneath.h"
#include "deliver/delivered_to.h"
#include "deliver/environment.h"
#include "deliver/forward.h"
#include "deliver/home.h"
#include "deliver/mbox.h"
#include "deliver/message.h"
#include "io/clock.h"
#include "proto/dot_qmail.h"

enum {
	ARENA_BYTES = 4 * DOT_QMAIL_MAX,
	TEXT_BYTES = 512,
	SENDER_BYTES = 512,
	PIECE_BYTES = 8 * 1024,
	LOCK_STEP_MS = 100,
	LOCK_MAX_MS = 30 * 1000,
	FIRST_ATTEMPT_MS = 10 * 1000, /* a younger message is in its first one */
	SHARED_BYTES = 64 * 1024 * 1024, /* of one user's files at a time */
};

struct instructions {
	struct instructions_shared *shared;
	struct instructions_case    given;
	void                      (*ready)(void *context);
	void                       *context;
	struct arena                arena;
	struct buf                  content;

	bool                        is_looked_at;
	bool                        is_default; /* there is no file, or an empty one */
	int                         home;       /* -1: not open */
	struct home_qmail           file;
	struct dot_qmail            lines;
	size_t                      at;         /* the next line */
	size_t                      forward_end; /* forwards before that line count */
	size_t                      n_bytes;    /* our part of shared->n_bytes */
	struct trace                trace;
	struct bytes                new_sender;
	struct environment          facts;
	const char *const          *env;        /* NULL: no program was met */

	struct command             *command;    /* waits or runs */
	int                         mbox;       /* -1: none is waited for */
	uint64_t                    lock_until_ms;
	uv_timer_t                  timer;      /* for its lock */
	struct folder               folder;
	struct forward              forward;
	unsigned                    n_files, n_programs;

	bool                        is_ended;
	struct outcome              outcome;
	char                        text[TEXT_BYTES];
	struct job_forward          caused;     /* message: -1: none */
};

/* A line's part in the story; what it returns, or GO_ON. */
enum { GO_ON = INSTRUCTIONS_END + 1 };
typedef int obey(struct instructions *in, const struct dot_qmail_line *line);

/* --- the end --- */

static void
close_home(struct instructions *in)
{
	if (in->home != -1)
		close(in->home);
	in->home = -1;
}

__attribute__((format(printf, 4, 5))) static int
end(struct instructions *in, enum outcome_kind kind, struct status status,
    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(in->text, sizeof in->text, format, args);
	va_end(args);
	in->outcome = outcome_of(kind, status, bytes_of(in->text));
	in->is_ended = true;
	in->shared->n_bytes -= in->n_bytes;
	in->n_bytes = 0;
	close_home(in);
	return INSTRUCTIONS_END;
}

/* RFC 3463: mailbox full, mail system full, or something else of ours. */
static int
defer(struct instructions *in, int error, const char *what)
{
	struct status status = STATUS(4, 3, 0);

	if (error == ENOSPC)
		status = STATUS(4, 3, 1);
	else if (error == EDQUOT)
		status = STATUS(4, 2, 2);
	return end(in, OUTCOME_DEFERRED, status, "%s: %s", what, strerror(error));
}

/* It waits until its user has mended it: "system incorrectly configured". */
static int
defer_mistake(struct instructions *in, const char *what)
{
	return end(in, OUTCOME_DEFERRED, STATUS(4, 3, 5), "%s", what);
}

static int
defer_line(struct instructions *in, unsigned number, const char *what)
{
	return end(in, OUTCOME_DEFERRED, STATUS(4, 3, 5), "%.64s, line %u: %s",
	    in->file.name, number, what);
}

/* --- looking, before anything is done --- */

static void
understand(struct instructions *in)
{
	switch (dot_qmail_read(&in->lines, buf_bytes(&in->content),
	    in->file.forward_only, &in->arena)) {
	case DOT_QMAIL_OK:
		return;
	case DOT_QMAIL_BLANK:
		defer_line(in, 1, "is blank");
		return;
	case DOT_QMAIL_MISTAKE:
		defer_line(in, in->lines.mistake, "is not allowed there");
		return;
	case DOT_QMAIL_NO_MEMORY:
		defer(in, ENOMEM, in->file.name);
		return;
	}
}

static void
read_file(struct instructions *in)
{
	char why[HOME_TEXT];

	switch (home_read(in->home, in->given.dash, in->given.ext, &in->file,
	    &in->content, why)) {
	case HOME_FILE_NONE:
		if (in->given.dash.n > 0)
			end(in, OUTCOME_FAILED, STATUS(5, 1, 1),
			    "no mailbox here by that name");
		in->is_default = true;
		return;
	case HOME_FILE_UNUSABLE:
		defer_mistake(in, why);
		return;
	case HOME_FILE_FOUND:
		in->is_default = in->content.len == 0;
		understand(in);
		return;
	}
}

/*
 * The addresses of the lines before that one. False: the one of *number is none, or there are
 * too many.
 */
static bool
collect(struct instructions *in, size_t forward_end, unsigned *number)
{
	for (size_t i = 0; i < forward_end; i++) {
		const struct dot_qmail_line *line = &in->lines.lines[i];

		*number = line->number;
		if (line->kind == DOT_QMAIL_FORWARD &&
		    !forward_add(&in->forward, line->text, in->given.hostname))
			return false;
	}
	return true;
}

/*
 * A wrong address is found before a program runs that will run again then. They are kept only
 * when their turn comes: many deliveries may wait until then.
 */
static void
check_addresses(struct instructions *in)
{
	unsigned number;

	if (!collect(in, in->lines.n, &number))
		defer_line(in, number, "is no address");
	forward_finish(&in->forward);
	forward_init(&in->forward);
}

/* A user with large files and many messages does not get all of the memory. */
static void
count_bytes(struct instructions *in)
{
	in->n_bytes = in->content.cap + in->arena.used;
	in->shared->n_bytes += in->n_bytes;
	if (in->shared->n_bytes > SHARED_BYTES)
		end(in, OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    "%.64s: too large for so many messages at once", in->file.name);
}

/* 0, or an errno. */
static int
look_for_loop(const struct instructions_case *given, bool *is_loop)
{
	struct delivered_to before = { .recipient = given->recipient };
	char                piece[PIECE_BYTES];
	uint64_t            at = 0;

	while (at < given->size_bytes && !before.is_over) {
		uint64_t rest = given->size_bytes - at;
		size_t   n = rest < PIECE_BYTES ? (size_t)rest : PIECE_BYTES;
		int      error = message_read(given->body, at, piece, n);

		if (error != 0)
			return error;
		delivered_to_feed(&before, (struct bytes){ piece, n });
		at += n;
	}
	*is_loop = delivered_to_end(&before);
	return 0;
}

static void
check_loop(struct instructions *in)
{
	bool is_loop = false;
	int  error = look_for_loop(&in->given, &is_loop);

	if (error != 0)
		defer(in, error, "the message");
	else if (is_loop)
		end(in, OUTCOME_FAILED, STATUS(5, 4, 6),
		    "mail loop: it was delivered to this address before");
}

/* Once, at the first program or forward; the home is still open. 0, or an errno. */
static int
find_sender(struct instructions *in)
{
	const struct instructions_case *given = &in->given;
	const struct forward_owner      owner = { in->home, given->local,
		     given->host, given->dash, given->ext, given->reverse_path };
	struct buf b;
	int        error = 0;

	if (in->new_sender.p != NULL)
		return 0;
	buf_init(&b, SENDER_BYTES);
	if (forward_add_sender(&b, &owner) == -1)
		error = errno;
	else
		in->new_sender = arena_copy(&in->arena, buf_bytes(&b));
	if (error == 0 && (b.failed || in->new_sender.p == NULL))
		error = ENOMEM;
	buf_finish(&b);
	return error;
}

static void
look(struct instructions *in)
{
	char why[HOME_TEXT];

	in->is_looked_at = true;
	trace_make(&in->trace, in->given.reverse_path, in->given.recipient,
	    clock_now_ms());
	in->home = home_open(in->given.home, why);
	if (in->home == -1) {
		defer_mistake(in, why);
		return;
	}
	read_file(in);
	if (!in->is_ended)
		count_bytes(in);
	if (!in->is_ended)
		check_addresses(in);
	if (!in->is_ended)
		check_loop(in);
}

/* --- programs --- */

static void
on_command_ended(const struct command_end *ended, void *context)
{
	struct instructions *in = context;

	in->command = NULL;
	switch (ended->result) {
	case COMMAND_DONE_FOR_ALL:
		in->at = in->lines.n;
		in->n_programs++;
		break;
	case COMMAND_DONE:
		in->n_programs++;
		break;
	case COMMAND_FAILED:
		end(in, OUTCOME_FAILED, STATUS(5, 3, 0), "%.*s",
		    BYTES_ARG(ended->text));
		break;
	case COMMAND_DEFERRED:
		end(in, OUTCOME_DEFERRED, STATUS(4, 3, 0), "%.*s",
		    BYTES_ARG(ended->text));
		break;
	}
	in->ready(in->context);
}

/* Once. 0, or an errno. */
static int
make_environment(struct instructions *in)
{
	const struct instructions_case *given = &in->given;
	const struct id_text            id = id_text(&given->id);
	struct environment              e = {
		             .id = bytes_of(id.p),
		             .sender = given->reverse_path,
		             .recipient = given->recipient,
		             .local = given->local,
		             .host = given->host,
		             .ext = given->ext,
		             .matched = in->file.matched,
		             .has_default = in->file.has_default,
		             .user = given->login,
		             .home = bytes_of(given->home),
		             .trace = &in->trace,
	};
	int error = find_sender(in);

	if (error != 0 || in->env != NULL)
		return error;
	e.new_sender = in->new_sender;
	in->env = environment_make(&e, &in->arena);
	return in->env == NULL ? ENOMEM : 0;
}

static bool
is_begun(const struct instructions *in)
{
	return in->n_files + in->n_programs > 0;
}

static int
obey_program(struct instructions *in, const struct dot_qmail_line *line)
{
	int                 error = make_environment(in);
	struct command_spec spec = {
		.line = arena_string(&in->arena, line->text),
		.env = in->env,
		.home = in->home,
		.body = in->given.body,
		.size_bytes = in->given.size_bytes,
		.timeout_ms = in->given.timeout_ms,
		.goes_on = is_begun(in),
	};

	if (error == 0 && spec.line == NULL)
		error = ENOMEM;
	if (error != 0)
		return defer(in, error, in->file.name);
	in->command = commands_run(
	    in->shared->commands, &spec, on_command_ended, in);
	if (in->command == NULL)
		return defer(in, ENOMEM, in->file.name);
	return INSTRUCTIONS_WAIT;
}

/* --- mboxes --- */

static void
close_mbox(struct instructions *in)
{
	if (in->mbox == -1)
		return;
	close(in->mbox);
	in->mbox = -1;
}

static void
stop_locking(struct instructions *in)
{
	if (!uv_is_active((uv_handle_t *)&in->timer))
		return;
	uv_timer_stop(&in->timer);
	in->shared->n_locking--;
}

/* The line has come to an end. */
static int
end_mbox(struct instructions *in, enum mbox_result result,
    const struct mbox_problem *problem)
{
	close_mbox(in);
	if (result == MBOX_DELIVERED) {
		in->n_files++;
		return GO_ON;
	}
	if (problem->error == ENOSPC || problem->error == EDQUOT)
		return defer(in, problem->error, "the mbox");
	return end(in, OUTCOME_DEFERRED, STATUS(4, 3, 0), "%s", problem->text);
}

static void
on_lock_timer(uv_timer_t *timer)
{
	struct instructions *in = timer->data;
	struct mbox_problem  problem = { 0, "the mbox: its lock is held by another" };
	enum mbox_result     result = mbox_deliver(in->mbox, in->given.body,
	        in->given.size_bytes, &in->trace, &problem);

	if (result == MBOX_LOCKED && clock_monotonic_ms() < in->lock_until_ms)
		return;
	stop_locking(in);
	end_mbox(in, result, &problem);
	in->ready(in->context);
}

static int
obey_mbox(struct instructions *in, const struct dot_qmail_line *line)
{
	struct mbox_problem problem;
	enum mbox_result    result;
	struct bytes        path;

	if (!beneath_path(line->text, in->given.home, &path))
		return defer_line(in, line->number, "lies outside of the home");
	in->mbox = mbox_open(in->home, path, &problem);
	if (in->mbox == -1)
		return problem.error != 0
		    ? end(in, OUTCOME_DEFERRED, STATUS(4, 3, 0), "%s", problem.text)
		    : defer_mistake(in, problem.text);
	result = mbox_deliver(in->mbox, in->given.body, in->given.size_bytes,
	    &in->trace, &problem);
	if (result != MBOX_LOCKED)
		return end_mbox(in, result, &problem);
	in->lock_until_ms = clock_monotonic_ms() + LOCK_MAX_MS;
	in->shared->n_locking++;
	uv_timer_start(&in->timer, on_lock_timer, LOCK_STEP_MS, LOCK_STEP_MS);
	return INSTRUCTIONS_WAIT;
}

/* --- Maildirs --- */

static int
obey_maildir(struct instructions *in, const struct dot_qmail_line *line)
{
	struct bytes path;
	const char  *what;

	if (!beneath_path(line->text, in->given.home, &path))
		return defer_line(in, line->number, "lies outside of the home");
	if (bytes_equal(path, BYTES("Maildir")))
		return INSTRUCTIONS_INBOX;
	if (folder_open_beneath(&in->folder, in->home, path, &what) == -1)
		return end(in, OUTCOME_DEFERRED, STATUS(4, 3, 5),
		    "%.64s, line %u: %s: %s", in->file.name, line->number, what,
		    beneath_problem(errno));
	return INSTRUCTIONS_MAILDIR;
}

struct folder *
instructions_folder(struct instructions *in)
{
	return &in->folder;
}

void
instructions_delivered(struct instructions *in, const struct outcome *outcome)
{
	folder_close(&in->folder);
	if (outcome->kind == OUTCOME_DELIVERED && !in->is_default) {
		in->n_files++;
		return;
	}
	end(in, outcome->kind, outcome->status, "%.*s", BYTES_ARG(outcome->text));
}

/* --- forwards --- */

static int
obey_forward(struct instructions *in, const struct dot_qmail_line *line)
{
	(void)line;
	in->forward_end = in->at;
	return GO_ON;
}

/* 0, or an errno. */
static int
make_forward(struct instructions *in)
{
	int      error = find_sender(in);
	unsigned number;
	uint64_t size_bytes;
	int      message;

	if (error != 0)
		return error;
	if (!collect(in, in->forward_end, &number))
		return ENOMEM;
	message = forward_message(
	    in->given.body, in->given.size_bytes, &in->trace, &size_bytes);
	if (message == -1)
		return errno;
	in->caused = (struct job_forward){
		.id = forward_id(&in->given.id, in->given.number),
		.reverse_path = in->new_sender,
		.targets = buf_bytes(&in->forward.targets),
		.n = in->forward.n,
		.message = message,
		.size_bytes = size_bytes,
	};
	return 0;
}

/* --- one after the other --- */

static int
end_well(struct instructions *in)
{
	int error = in->forward_end > 0 ? make_forward(in) : 0;

	if (error != 0)
		return defer(in, error, "the forward");
	if (in->lines.n == 0)
		return end(in, OUTCOME_DELIVERED, STATUS(2, 0, 0),
		    "thrown away: %.64s has only comments", in->file.name);
	return end(in, OUTCOME_DELIVERED, STATUS(2, 0, 0),
	    "delivered as %.64s says: files %u, programs %u, forwards %u",
	    in->file.name, in->n_files, in->n_programs, in->forward.n);
}

enum instructions_next
instructions_next(struct instructions *in)
{
	static obey *const table[] = {
		[DOT_QMAIL_PROGRAM] = obey_program,
		[DOT_QMAIL_MBOX] = obey_mbox,
		[DOT_QMAIL_MAILDIR] = obey_maildir,
		[DOT_QMAIL_FORWARD] = obey_forward,
	};
	int next = GO_ON;

	if (!in->is_looked_at)
		look(in);
	if (in->is_ended)
		return INSTRUCTIONS_END;
	if (in->is_default)
		return INSTRUCTIONS_INBOX;
	while (next == GO_ON && in->at < in->lines.n) {
		const struct dot_qmail_line *line = &in->lines.lines[in->at++];

		next = table[line->kind](in, line);
	}
	return (enum instructions_next)(next == GO_ON ? end_well(in) : next);
}

bool
instructions_may_be_repeated(const struct instructions *in, uint64_t now_ms)
{
	return in->lines.n > 1 &&
	    now_ms > id_time_ms(&in->given.id) + FIRST_ATTEMPT_MS;
}

const struct outcome *
instructions_outcome(const struct instructions *in)
{
	return &in->outcome;
}

struct job_forward *
instructions_forward(struct instructions *in)
{
	return in->caused.message == -1 ? NULL : &in->caused;
}

/* --- their life --- */

/* False: no memory. */
static bool
copy_case(struct instructions *in, const struct instructions_case *given)
{
	struct bytes *const texts[] = { &in->given.login, &in->given.local,
		&in->given.host, &in->given.recipient, &in->given.dash,
		&in->given.ext, &in->given.reverse_path, &in->given.hostname };

	in->given = *given;
	in->given.home = arena_string(&in->arena, bytes_of(given->home));
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		*texts[i] = arena_copy(&in->arena, *texts[i]);
		if (texts[i]->p == NULL)
			return false;
	}
	return in->given.home != NULL;
}

struct instructions *
instructions_new(struct instructions_shared *shared,
    const struct instructions_case *given, void (*ready)(void *context),
    void *context)
{
	struct instructions *in = calloc(1, sizeof *in);

	if (in == NULL)
		return NULL;
	arena_init(&in->arena, ARENA_BYTES);
	buf_init(&in->content, DOT_QMAIL_MAX);
	forward_init(&in->forward);
	in->shared = shared;
	in->ready = ready;
	in->context = context;
	in->home = in->mbox = in->caused.message = in->folder.root = -1;
	if (!copy_case(in, given)) {
		arena_finish(&in->arena);
		free(in);
		return NULL;
	}
	uv_timer_init(shared->loop, &in->timer);
	in->timer.data = in;
	return in;
}

static void
on_closed(uv_handle_t *timer)
{
	free(timer->data);
}

void
instructions_free(struct instructions *in)
{
	if (in == NULL)
		return;
	command_cancel(in->command);
	stop_locking(in);
	close_mbox(in);
	close_home(in);
	in->shared->n_bytes -= in->n_bytes;
	folder_close(&in->folder);
	if (in->caused.message != -1)
		close(in->caused.message);
	forward_finish(&in->forward);
	buf_finish(&in->content);
	arena_finish(&in->arena);
	uv_close((uv_handle_t *)&in->timer, on_closed);
}
