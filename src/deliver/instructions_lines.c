#include <errno.h>
#include <unistd.h>

#include "deliver/beneath.h"
#include "deliver/instructions_inside.h"
#include "deliver/mbox.h"
#include "io/clock.h"

enum { LOCK_STEP_MS = 100, LOCK_MAX_MS = 30 * 1000 };

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
		instructions_end(in, OUTCOME_FAILED, STATUS(5, 3, 0), "%.*s",
		    BYTES_ARG(ended->text));
		break;
	case COMMAND_DEFERRED:
		instructions_end(in, OUTCOME_DEFERRED, STATUS(4, 3, 0), "%.*s",
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
	int error = instructions_find_sender(in);

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

int
instructions_obey_program(
    struct instructions *in, const struct dot_qmail_line *line)
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
		return instructions_defer(in, error, in->file.name);
	in->command = commands_run(
	    in->shared->commands, &spec, on_command_ended, in);
	if (in->command == NULL)
		return instructions_defer(in, ENOMEM, in->file.name);
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

void
instructions_stop_waiting(struct instructions *in)
{
	command_cancel(in->command);
	in->command = NULL;
	stop_locking(in);
	close_mbox(in);
}

static int
defer_mbox(struct instructions *in, const struct mbox_problem *problem)
{
	switch (problem->error) {
	case 0:
	case EXDEV:
	case ELOOP:
		return instructions_mistake(in, problem->text);
	case ENOSPC:
	case EDQUOT:
		return instructions_defer(in, problem->error, "the mbox");
	default:
		return instructions_end(in, OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    "%s", problem->text);
	}
}

/* The line has come to an end. */
static int
end_mbox(struct instructions *in, enum mbox_result result,
    const struct mbox_problem *problem)
{
	close_mbox(in);
	if (result == MBOX_DELIVERED) {
		in->n_files++;
		return INSTRUCTIONS_GO_ON;
	}
	return defer_mbox(in, problem);
}

static void
on_lock_timer(uv_timer_t *timer)
{
	struct instructions *in = timer->data;
	struct mbox_problem  problem = { EWOULDBLOCK,
		 "the mbox: somebody else holds its lock" };
	enum mbox_result     result = mbox_deliver(in->mbox, in->given.body,
	        in->given.size_bytes, &in->trace, &problem);

	if (result == MBOX_LOCKED && clock_monotonic_ms() < in->lock_until_ms)
		return;
	stop_locking(in);
	end_mbox(in, result, &problem);
	in->ready(in->context);
}

int
instructions_obey_mbox(
    struct instructions *in, const struct dot_qmail_line *line)
{
	struct mbox_problem problem;
	enum mbox_result    result;
	struct bytes        path;

	if (!beneath_path(line->text, in->given.home, &path))
		return instructions_mistake_in(
		    in, line->number, "lies outside of the home");
	in->mbox = mbox_open(in->home, path, &problem);
	if (in->mbox == -1)
		return defer_mbox(in, &problem);
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

int
instructions_obey_maildir(
    struct instructions *in, const struct dot_qmail_line *line)
{
	struct bytes path;
	const char  *what;

	if (!beneath_path(line->text, in->given.home, &path))
		return instructions_mistake_in(
		    in, line->number, "lies outside of the home");
	if (bytes_equal(path, BYTES("Maildir")))
		return INSTRUCTIONS_INBOX;
	if (folder_open_beneath(&in->folder, in->home, path, &what) == -1)
		return instructions_end(in, OUTCOME_DEFERRED, STATUS(4, 3, 5),
		    "%.64s, line %u: %s: %s", in->file.name, line->number, what,
		    beneath_problem(errno));
	return INSTRUCTIONS_MAILDIR;
}

/* --- forwards --- */

int
instructions_obey_forward(
    struct instructions *in, const struct dot_qmail_line *line)
{
	(void)line;
	in->forward_end = in->at;
	return INSTRUCTIONS_GO_ON;
}
