#include "ampel/queue_door.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ampel/ask.h"
#include "ampel/command.h"
#include "io/peer.h"

enum { PAGE = 100 };

int
queue_door_open(const struct config *config, struct queue_door *d)
{
	int code = EX_LATER;

	*d = (struct queue_door){ .socket = -1, .buffer = malloc(FRAME_MAX) };
	if (d->buffer)
		d->socket = ask_door(config, VERB_QUEUE, d->buffer, &code);
	return d->socket >= 0 ? EX_GOOD : code;
}

void
queue_door_close(struct queue_door *d)
{
	free(d->buffer);
	if (d->socket >= 0)
		close(d->socket);
}

static int
say_ended(void)
{
	fprintf(stderr, "ampel: the queue ended meanwhile\n");
	return EX_LATER;
}

int
queue_door_ask(struct queue_door *d, const struct buf *frame, int *fd)
{
	int             fds[FRAME_DESCRIPTORS];
	struct bytes    answer;
	struct msg_done m;

	*fd = -1;
	if (!peer_send_blocking(d->socket, buf_bytes(frame), NULL, 0) ||
	    !ask_receive(d->socket, d->buffer, &answer, fds) ||
	    !msg_done_read(answer, &m))
		return say_ended();
	*fd = fds[0];
	if (m.exit_code)
		fprintf(stderr, "ampel: %.*s\n", BYTES_ARG(m.text));
	else if (m.text.n > 0)
		printf("%.*s\n", BYTES_ARG(m.text));
	return m.exit_code;
}

/* The place right in front of the first row of that message. */
static void
set_before(struct buf *after, const struct id *id)
{
	struct id before = *id;

	for (size_t i = ID_BITS; i-- > 0 && before.bits[i]-- == 0;)
		;
	buf_clear(after);
	buf_add_bytes(after, id_bytes(&before));
	frame_add_u32(after, UINT32_MAX);
}

/* One page behind *after, which moves on. False: an error. */
static bool
read_page(struct queue_door *d, struct buf *after, queue_row_shown *show,
    void *context, bool *is_enough)
{
	struct msg_ask_rows ask = { buf_bytes(after), PAGE };
	int                 fds[FRAME_DESCRIPTORS], n = 0;
	struct bytes        answer;
	struct msg_done     done;
	struct msg_row      row;
	struct buf          frame;
	bool                sent;

	buf_init(&frame, FRAME_MAX);
	msg_ask_rows_add(&frame, &ask);
	sent = peer_send_blocking(d->socket, buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
	while (sent && ask_receive(d->socket, d->buffer, &answer, fds)) {
		if (msg_done_read(answer, &done)) {
			*is_enough = *is_enough || n < PAGE;
			return true;
		}
		if (!msg_row_read(answer, &row))
			return false;
		buf_clear(after);
		buf_add_bytes(after, row.id);
		frame_add_u32(after, row.recipient);
		if (!*is_enough)
			*is_enough = !show(&row, context);
		n++;
	}
	return false;
}

int
queue_door_rows(struct queue_door *d, const struct id *from,
    queue_row_shown *show, void *context)
{
	struct buf after;
	bool       is_enough = false, read = true;

	buf_init(&after, 64);
	if (from)
		set_before(&after, from);
	while (read && !is_enough)
		read = read_page(d, &after, show, context, &is_enough);
	buf_finish(&after);
	return read ? EX_GOOD : say_ended();
}
