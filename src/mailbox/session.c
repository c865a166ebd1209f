#include "mailbox/session.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/log.h"
#include "io/packet.h"
#include "mailbox/snapshot.h"
#include "proto/maildrop.h"

enum {
	ASKED_MAX = 32,    /* messages, in one ASK_MESSAGE */
	SMALL_FRAME = 256,
	ERROR_TEXT = 128,
};

struct session {
	struct errand  *errand;
	struct snapshot snapshot;
};

/* An answer in the making, in memory of its own: idle processes hold none. */
struct answer {
	char       room[SMALL_FRAME];
	struct buf frame;
};

static void
answer_init(struct answer *a)
{
	a->frame = (struct buf){
		.p = a->room, .cap = SMALL_FRAME, .max = SMALL_FRAME - 1
	};
}

/* --- the list --- */

static bool
send_maildrop(struct errand *e, size_t n, int list)
{
	struct answer a;

	answer_init(&a);
	msg_maildrop_add(
	    &a.frame, &(struct msg_maildrop){ .ok = 1, .n = (uint32_t)n });
	return errand_send(e, buf_bytes(&a.frame), &list, n > 0 ? 1 : 0);
}

static void
send_failure(struct errand *e, int error, const char *what)
{
	struct answer a;
	char          text[ERROR_TEXT];

	snprintf(text, sizeof text, "%s cannot be read: %s", what, strerror(error));
	log_text("%s: %s", e->home, text);
	answer_init(&a);
	msg_maildrop_add(&a.frame, &(struct msg_maildrop){ .text = bytes_of(text) });
	errand_send(e, buf_bytes(&a.frame), NULL, 0);
}

/* False: there is no session. */
static bool
begin(struct session *s)
{
	const char *what;
	int         list;
	bool        sent;

	if (snapshot_take(&s->snapshot, s->errand->home, &what) == -1) {
		send_failure(s->errand, errno, what);
		return false;
	}
	list = snapshot_list(&s->snapshot);
	if (list == -1) {
		send_failure(s->errand, errno, "Maildir");
		return false;
	}
	sent = send_maildrop(s->errand, s->snapshot.n, list);
	close(list);
	/* what sorting and listing took is not kept while the session idles */
	malloc_trim(0);
	return sent;
}

/* --- messages --- */

/* n messages from number on; none: that one is gone. */
static bool
send_messages(struct session *s, uint32_t number, const int *fds, size_t n)
{
	struct answer a;

	answer_init(&a);
	msg_message_add(&a.frame, &(struct msg_message){ number, (uint8_t)n });
	return errand_send(s->errand, buf_bytes(&a.frame), fds, n);
}

/* Open as many as travel in one frame, up to one that is gone. */
static size_t
open_some(struct session *s, uint32_t number, uint32_t asked, int *fds)
{
	size_t n = 0;

	while (n < asked && n < FRAME_DESCRIPTORS) {
		fds[n] = snapshot_open(&s->snapshot, number - 1 + n);
		if (fds[n] == -1)
			break;
		n++;
	}
	return n;
}

static bool
on_ask_message(struct session *s, struct bytes frame)
{
	struct msg_ask_message m;
	uint32_t               end;

	if (!msg_ask_message_read(frame, &m) || m.n == 0 || m.n > ASKED_MAX ||
	    m.number == 0 || m.number > s->snapshot.n ||
	    m.n > s->snapshot.n - m.number + 1)
		return false;
	end = m.number + m.n;
	snapshot_begin_batch(&s->snapshot);
	while (m.number < end) {
		int    fds[FRAME_DESCRIPTORS];
		size_t n = open_some(s, m.number, end - m.number, fds);
		bool   sent = send_messages(s, m.number, fds, n);

		packet_close(fds, n);
		if (!sent)
			return true;
		m.number += n > 0 ? (uint32_t)n : 1;
	}
	return true;
}

/* --- the end --- */

/* Said twice is said once. Nothing happens before UPDATE. */
static bool
on_remove(struct session *s, struct bytes frame)
{
	struct msg_remove   m;
	struct frame_reader r;

	if (!msg_remove_read(frame, &m))
		return false;
	r = frame_reader_of(m.numbers);
	while (r.rest.n > 0) {
		uint32_t number = frame_u32(&r);

		if (r.failed || number == 0 || number > s->snapshot.n)
			return false;
		s->snapshot.messages[number - 1].state = MESSAGE_TO_REMOVE;
	}
	return true;
}

static bool
on_update(struct session *s, struct bytes frame)
{
	struct msg_update m;
	struct answer     a;
	size_t            failed;

	if (!msg_update_read(frame, &m))
		return false;
	failed = snapshot_update(&s->snapshot);
	answer_init(&a);
	msg_updated_add(&a.frame, &(struct msg_updated){ (uint32_t)failed });
	errand_send(s->errand, buf_bytes(&a.frame), NULL, 0);
	s->errand->is_over = true;
	return true;
}

/* pop3d is not trusted: what is not here, or not as it should be, ends the session. */
static const struct {
	enum message_type type;
	bool            (*handle)(struct session *s, struct bytes frame);
} permits[] = {
	{ MSG_ASK_MESSAGE, on_ask_message },
	{ MSG_REMOVE, on_remove },
	{ MSG_UPDATE, on_update },
};

static bool
handle(struct session *s, struct bytes frame)
{
	for (size_t i = 0; i < sizeof permits / sizeof permits[0]; i++)
		if (frame_type(frame) == permits[i].type)
			return permits[i].handle(s, frame);
	return false;
}

void
session_run(struct errand *e)
{
	struct session s = { .errand = e };
	struct bytes   frame;

	if (begin(&s))
		while (!e->is_over && errand_receive(e, &frame))
			if (!handle(&s, frame))
				errand_refuse(e, frame);
	snapshot_close(&s.snapshot);
}
