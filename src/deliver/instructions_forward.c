#include <errno.h>

#include "deliver/instructions_inside.h"

enum { SENDER_BYTES = 512 };

int
instructions_find_sender(struct instructions *in)
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

/* The addresses of the lines before that one. False: that of *number is none. */
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

/* They are kept only when their turn comes: many deliveries may wait until then. */
bool
instructions_check_addresses(struct instructions *in, unsigned *number)
{
	bool are_all = collect(in, in->lines.n, number);

	forward_finish(&in->forward);
	forward_init(&in->forward);
	return are_all;
}

int
instructions_make_forward(struct instructions *in)
{
	int      error = instructions_find_sender(in);
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
