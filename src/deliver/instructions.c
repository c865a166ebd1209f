#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deliver/instructions_inside.h"

enum {
	ARENA_BYTES = 4 * DOT_QMAIL_MAX,
	FIRST_ATTEMPT_MS = 10 * 1000, /* a younger message is in its first one */
};

/* --- the end --- */

static void
close_home(struct instructions *in)
{
	if (in->home != -1)
		close(in->home);
	in->home = -1;
}

int
instructions_end(struct instructions *in, enum outcome_kind kind,
    struct status status, const char *format, ...)
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
int
instructions_defer(struct instructions *in, int error, const char *what)
{
	struct status status = STATUS(4, 3, 0);

	if (error == ENOSPC)
		status = STATUS(4, 3, 1);
	else if (error == EDQUOT)
		status = STATUS(4, 2, 2);
	return instructions_end(
	    in, OUTCOME_DEFERRED, status, "%s: %s", what, strerror(error));
}

/* RFC 3463: system incorrectly configured. */
int
instructions_mistake(struct instructions *in, const char *what)
{
	return instructions_end(in, OUTCOME_DEFERRED, STATUS(4, 3, 5), "%s", what);
}

int
instructions_mistake_in(
    struct instructions *in, unsigned number, const char *what)
{
	return instructions_end(in, OUTCOME_DEFERRED, STATUS(4, 3, 5),
	    "%.64s, line %u: %s", in->file.name, number, what);
}

/* --- one after the other --- */

static int
end_well(struct instructions *in)
{
	int error = in->forward_end > 0 ? instructions_make_forward(in) : 0;

	if (error != 0)
		return instructions_defer(in, error, "the forward");
	if (in->lines.n == 0)
		return instructions_end(in, OUTCOME_DELIVERED, STATUS(2, 0, 0),
		    "thrown away: %.64s has only comments", in->file.name);
	return instructions_end(in, OUTCOME_DELIVERED, STATUS(2, 0, 0),
	    "delivered as %.64s says: files %u, programs %u, forwards %u",
	    in->file.name, in->n_files, in->n_programs, in->forward.n);
}

enum instructions_next
instructions_next(struct instructions *in)
{
	static instructions_obey *const table[] = {
		[DOT_QMAIL_PROGRAM] = instructions_obey_program,
		[DOT_QMAIL_MBOX] = instructions_obey_mbox,
		[DOT_QMAIL_MAILDIR] = instructions_obey_maildir,
		[DOT_QMAIL_FORWARD] = instructions_obey_forward,
	};
	int next = INSTRUCTIONS_GO_ON;

	if (!in->is_looked_at)
		instructions_look(in);
	if (in->is_ended)
		return INSTRUCTIONS_END;
	if (in->is_default)
		return INSTRUCTIONS_INBOX;
	while (next == INSTRUCTIONS_GO_ON && in->at < in->lines.n) {
		const struct dot_qmail_line *line = &in->lines.lines[in->at++];

		next = table[line->kind](in, line);
	}
	if (next == INSTRUCTIONS_GO_ON)
		next = end_well(in);
	return (enum instructions_next)next;
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
	instructions_end(in, outcome->kind, outcome->status, "%.*s",
	    BYTES_ARG(outcome->text));
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
	instructions_stop_waiting(in);
	close_home(in);
	in->shared->n_bytes -= in->n_bytes;
	in->shared->n_forwarding -= in->n_forwarding;
	folder_close(&in->folder);
	if (in->caused.message != -1)
		close(in->caused.message);
	forward_finish(&in->forward);
	buf_finish(&in->content);
	arena_finish(&in->arena);
	uv_close((uv_handle_t *)&in->timer, on_closed);
}
