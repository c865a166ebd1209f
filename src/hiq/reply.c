#include "hiq/reply.h"

#include "base/printable.h"

enum { REASON_MAX = 200, REFERENCE = sizeof " (ref )" - 1 + ID_TEXT };

static void
add_reference(struct buf *b, const struct id *id)
{
	buf_addf(b, " (ref %s)", id_text(id).p);
}

struct submit_result
reply_red(struct buf *b, const struct verdict *verdict, const struct id *id,
    struct bytes contact)
{
	size_t room;

	buf_clear(b);
	buf_add_string(b, "message rejected by spam filter: ");
	room = b->max - b->len - REFERENCE;
	printable_add(b, verdict->reason, room < REASON_MAX ? room : REASON_MAX);
	add_reference(b, id);
	/* The address to turn to is whole or not there. */
	if (contact.n > 0 && b->len + 1 + contact.n <= b->max) {
		buf_add_char(b, ' ');
		printable_add(b, contact, contact.n);
	}
	return (struct submit_result){ 554, STATUS(5, 7, 1), buf_bytes(b) };
}

struct submit_result
reply_error(struct buf *b, const struct id *id)
{
	buf_clear(b);
	buf_add_string(b, "mail server temporarily rejected message");
	add_reference(b, id);
	return (struct submit_result){ 451, STATUS(4, 3, 0), buf_bytes(b) };
}
