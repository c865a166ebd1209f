#include <errno.h>

#include "deliver/beneath.h"
#include "deliver/delivered_to.h"
#include "deliver/instructions_inside.h"
#include "deliver/message.h"
#include "io/clock.h"

enum {
	PIECE_BYTES = 8 * 1024,
	SHARED_BYTES = 64 * 1024 * 1024, /* of one user's files at a time */
	FORWARDING_BYTES = 256 * 1024 * 1024,
};

static void
understand(struct instructions *in)
{
	switch (dot_qmail_read(&in->lines, buf_bytes(&in->content),
	    in->file.forward_only, &in->arena)) {
	case DOT_QMAIL_OK:
		return;
	case DOT_QMAIL_BLANK:
		instructions_mistake_in(in, 1, "is blank");
		return;
	case DOT_QMAIL_MISTAKE:
		instructions_mistake_in(in, in->lines.mistake, "is not allowed there");
		return;
	case DOT_QMAIL_NO_MEMORY:
		instructions_defer(in, ENOMEM, in->file.name);
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
			instructions_end(in, OUTCOME_FAILED, STATUS(5, 1, 1),
			    "no mailbox here by that name");
		in->is_default = true;
		return;
	case HOME_FILE_UNUSABLE:
		instructions_mistake(in, why);
		return;
	case HOME_FILE_FOUND:
		in->is_default = in->content.len == 0;
		understand(in);
		return;
	}
}

/* A wrong path or address is found before a program runs that would run again then. */
static void
check_paths(struct instructions *in)
{
	for (size_t i = 0; i < in->lines.n && !in->is_ended; i++) {
		const struct dot_qmail_line *line = &in->lines.lines[i];
		struct bytes                 path;

		if ((line->kind == DOT_QMAIL_MBOX ||
		        line->kind == DOT_QMAIL_MAILDIR) &&
		    !beneath_path(line->text, in->given.home, &path))
			instructions_mistake_in(
			    in, line->number, "lies outside of the home");
	}
}

static void
check_addresses(struct instructions *in)
{
	unsigned number;

	if (!instructions_check_addresses(in, &number))
		instructions_mistake_in(in, number, "is no address");
}

/* A user with large files and many messages does not get all of the memory. */
static void
count_bytes(struct instructions *in)
{
	in->n_bytes = in->content.cap + in->arena.used;
	in->shared->n_bytes += in->n_bytes;
	if (in->shared->n_bytes > SHARED_BYTES)
		instructions_end(in, OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    "%.64s: too large for so many messages at once", in->file.name);
}

static bool
has_forwards(const struct dot_qmail *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		if (lines->lines[i].kind == DOT_QMAIL_FORWARD)
			return true;
	return false;
}

/*
 * Forwards are made faster than the queue stores them, and lie in memory until then: before
 * anything is done, who finds too much of them waits. One alone may have any size.
 */
static void
count_forward(struct instructions *in)
{
	uint64_t *all = &in->shared->n_forwarding;

	if (!has_forwards(&in->lines))
		return;
	in->n_forwarding = in->given.size_bytes + in->content.len;
	*all += in->n_forwarding;
	if (*all > FORWARDING_BYTES && *all > in->n_forwarding)
		instructions_end(in, OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    "%.64s: too much is being forwarded at once", in->file.name);
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
		instructions_defer(in, error, "the message");
	else if (is_loop)
		instructions_end(in, OUTCOME_FAILED, STATUS(5, 4, 6),
		    "mail loop: it was delivered to this address before");
}

void
instructions_look(struct instructions *in)
{
	char why[HOME_TEXT];

	in->is_looked_at = true;
	trace_make(&in->trace, in->given.reverse_path, in->given.recipient,
	    clock_now_ms());
	in->home = home_open(in->given.home, why);
	if (in->home == -1) {
		instructions_mistake(in, why);
		return;
	}
	read_file(in);
	if (!in->is_ended)
		count_bytes(in);
	if (!in->is_ended)
		check_paths(in);
	if (!in->is_ended)
		check_addresses(in);
	if (!in->is_ended)
		check_loop(in);
	if (!in->is_ended)
		count_forward(in);
}
