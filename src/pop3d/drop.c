#include "pop3d/drop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "io/memfile.h"
#include "io/peer.h"
#include "pop3d/ahead.h"
#include "proto/maildrop.h"
#include "proto/message.h"

enum {
	RUN_FIRST = 4,                 /* how far ahead is asked at first */
	REMOVE_BYTES = 32 * 1024,      /* of one frame */
};

enum question { ASKS_NOTHING, ASKS_LIST, ASKS_MESSAGE, ASKS_UPDATE };

struct drop {
	struct drops            *all;
	const struct drop_calls *calls;
	void                    *context;
	struct peer             *peer; /* NULL: mailbox is gone */
	enum question            question;
	uint64_t                 deadline_ms; /* of the question */
	uint64_t                 used_ms;     /* a message was wanted */

	struct buf               list;
	uint32_t                 n_messages;

	struct ahead             ahead;
	uint32_t                 run;    /* how many are asked for in a row */
	uint32_t                 number; /* the message that is wanted or open */
	int                      fd;     /* -1: it is not open */
	uint64_t                 offset, size_bytes;

	struct buf               removed; /* numbers, until they fill a frame */
	size_t                   n_removed;
};

/* --- questions and their ends --- */

static void
ask(struct drop *d, enum question question, uint64_t ms)
{
	d->question = question;
	d->deadline_ms = clock_monotonic_ms() + ms;
}

static void
hang_up(struct drop *d)
{
	peer_close(d->peer);
	d->peer = NULL;
	ahead_finish(&d->ahead);
}

/* No answer will come. The call may close the drop. */
static void
fail(struct drop *d)
{
	enum question question = d->question;

	hang_up(d);
	d->question = ASKS_NOTHING;
	switch (question) {
	case ASKS_NOTHING:
		return;
	case ASKS_LIST:
		d->calls->listed(false, BYTES(""), 0, d->context);
		return;
	case ASKS_MESSAGE:
		d->calls->opened(false, d->context);
		return;
	case ASKS_UPDATE:
		d->calls->updated(d->n_removed, d->context);
		return;
	}
}

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	(void)peer;
	(void)why;
	fail(context);
}

static void
send_frame(struct drop *d, struct buf *frame)
{
	if (d->peer && !frame->failed)
		peer_send(d->peer, buf_bytes(frame), NULL, 0);
	buf_finish(frame);
}

/* --- the list --- */

static bool
is_asking_list(void *context)
{
	const struct drop *d = context;

	return d->question == ASKS_LIST;
}

/* Sealed, it is now and later what we have checked; and read, it is ours. */
static bool
read_list(struct drop *d, int fd, uint32_t n)
{
	uint64_t max = (uint64_t)n * MAILDROP_RECORD;
	uint64_t size_bytes;

	if (memfile_check(fd, max, &size_bytes) != MEMFILE_SEALED)
		return false;
	if (size_bytes > d->all->list_bytes_max - d->all->list_bytes) {
		log_text("no memory for the list of a maildrop of %u messages", n);
		return false;
	}
	buf_init(&d->list, (size_t)max);
	if (memfile_read(fd, 0, &d->list) != 0)
		return false;
	d->all->list_bytes += d->list.len;
	return true;
}

static bool
on_maildrop(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct drop        *d = context;
	struct msg_maildrop m;
	bool                ok;

	(void)peer;
	if (!msg_maildrop_read(frame, &m) || m.n > MAILDROP_MAX ||
	    n_fds != (m.ok && m.n > 0 ? 1 : 0))
		return false;
	ok = m.ok && (m.n == 0 || read_list(d, fds[0], m.n)) &&
	    maildrop_is_list(buf_bytes(&d->list), m.n);
	d->question = ASKS_NOTHING;
	d->n_messages = m.n;
	d->calls->listed(ok, buf_bytes(&d->list), ok ? m.n : 0, d->context);
	return true;
}

/* --- messages --- */

static void
close_message(struct drop *d)
{
	if (d->fd != -1)
		close(d->fd);
	d->fd = -1;
}

/* Ask for n messages behind those of the run. */
static void
ask_for(struct drop *d, uint32_t n)
{
	struct msg_ask_message m = { d->ahead.end, n };
	struct buf             frame;

	if (n > d->n_messages - (d->ahead.end - 1))
		m.n = d->n_messages - (d->ahead.end - 1);
	if (m.n == 0)
		return;
	buf_init(&frame, FRAME_MAX);
	msg_ask_message_add(&frame, &m);
	send_frame(d, &frame);
	ahead_asked(&d->ahead, m.n);
}

/* A run grows with its length, up to this session's share of descriptors. */
static uint32_t
longest_run(const struct drop *d)
{
	size_t share = d->all->ahead_max / d->all->n;

	if (share > AHEAD_MAX)
		share = AHEAD_MAX;
	return share > 1 ? (uint32_t)share : 1;
}

static uint32_t
longer(const struct drop *d, uint32_t run)
{
	uint32_t max = longest_run(d);

	return run * 2 < max ? run * 2 : max;
}

/* What is not of the run: the next one begins there. */
static void
begin_run(struct drop *d, uint32_t number)
{
	bool     follows = number == d->number + 1;
	uint32_t max = longest_run(d);

	d->run = follows && RUN_FIRST <= max ? RUN_FIRST : 1;
	ahead_begin_at(&d->ahead, number);
	ask_for(d, d->run);
}

/* Not only when the last one is used up: mailbox works while we do. */
static void
go_on_with_run(struct drop *d)
{
	size_t count = ahead_count(&d->ahead);

	if (d->run == 1 || count > d->run / 2)
		return;
	d->run = longer(d, d->run);
	if (count < d->run)
		ask_for(d, d->run - (uint32_t)count);
}

/* The message is here: false when it is gone or no file. */
static bool
take_message(struct drop *d)
{
	struct stat st;

	d->fd = ahead_take(&d->ahead);
	go_on_with_run(d);
	d->offset = 0;
	if (d->fd == -1)
		return false;
	if (fstat(d->fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close_message(d);
		return false;
	}
	d->size_bytes = (uint64_t)st.st_size;
	return true;
}

static bool
is_open(const struct drop *d, uint32_t number)
{
	return d->fd != -1 && d->number == number;
}

enum drop_answer
drop_message(struct drop *d, size_t number)
{
	uint32_t wanted = (uint32_t)number;

	d->used_ms = clock_monotonic_ms();
	if (is_open(d, wanted)) {
		d->offset = 0;
		return DROP_IS_OPEN;
	}
	close_message(d);
	if (d->peer == NULL)
		return DROP_CANNOT;
	if (ahead_has(&d->ahead, wanted))
		ahead_begin_at(&d->ahead, wanted);
	else
		begin_run(d, wanted);
	d->number = wanted;
	if (ahead_is_here(&d->ahead, wanted))
		return take_message(d) ? DROP_IS_OPEN : DROP_CANNOT;
	ask(d, ASKS_MESSAGE, DROP_MESSAGE_MS);
	return DROP_WAITS;
}

/* As many as descriptors; without one, a single message that is gone. */
static bool
arrived(struct drop *d, uint32_t number, int *fds, size_t n_fds)
{
	if (n_fds == 0)
		return ahead_arrived(&d->ahead, number, -1);
	for (size_t i = 0; i < n_fds; i++) {
		if (!ahead_arrived(&d->ahead, number + (uint32_t)i, fds[i]))
			return false;
		fds[i] = -1;
	}
	return true;
}

static bool
on_message(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct drop       *d = context;
	struct msg_message m;

	(void)peer;
	if (!msg_message_read(frame, &m) || m.n != n_fds ||
	    !arrived(d, m.number, fds, n_fds))
		return false;
	if (d->question == ASKS_MESSAGE && ahead_is_here(&d->ahead, d->number)) {
		d->question = ASKS_NOTHING;
		d->calls->opened(take_message(d), d->context);
	}
	return true;
}

ssize_t
drop_read(struct drop *d, char *p, size_t n, bool *is_end)
{
	uint64_t rest = d->size_bytes - d->offset;
	ssize_t  got;

	if (n > rest)
		n = (size_t)rest;
	do
		got = pread(d->fd, p, n, (off_t)d->offset);
	while (got == -1 && errno == EINTR);
	if (got == -1 || (got == 0 && n > 0))
		return -1;
	d->offset += (uint64_t)got;
	*is_end = d->offset == d->size_bytes;
	return got;
}

/* --- what is removed --- */

static void
send_removed(struct drop *d)
{
	struct msg_remove m = { buf_bytes(&d->removed) };
	struct buf        frame;

	buf_init(&frame, FRAME_MAX);
	msg_remove_add(&frame, &m);
	send_frame(d, &frame);
	buf_clear(&d->removed);
}

/* Without memory mailbox hears nothing more, and removes nothing. */
static void
lack_memory(struct drop *d)
{
	hang_up(d);
	buf_clear(&d->removed);
}

void
drop_remove(struct drop *d, size_t number)
{
	frame_add_u32(&d->removed, (uint32_t)number);
	d->n_removed++;
	if (d->removed.failed)
		lack_memory(d);
	else if (d->removed.len == REMOVE_BYTES)
		send_removed(d);
}

void
drop_update(struct drop *d)
{
	struct msg_update m = { 0 };
	struct buf        frame;

	if (d->removed.len > 0)
		send_removed(d);
	close_message(d);
	ahead_give_up(&d->ahead);
	buf_init(&frame, FRAME_MAX);
	msg_update_add(&frame, &m);
	send_frame(d, &frame);
	ask(d, ASKS_UPDATE, d->peer ? DROP_UPDATE_MS : 0);
}

static bool
is_asking_update(void *context)
{
	const struct drop *d = context;

	return d->question == ASKS_UPDATE;
}

static bool
on_updated(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct drop       *d = context;
	struct msg_updated m;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_updated_read(frame, &m) || m.failed > d->n_removed)
		return false;
	d->question = ASKS_NOTHING;
	d->calls->updated(m.failed, d->context);
	return true;
}

/* --- its beginning, its time, its end --- */

static const struct peer_permit permits[] = {
	{ MSG_MAILDROP, is_asking_list, on_maildrop, 1 },
	{ MSG_MESSAGE, NULL, on_message, PEER_DESCRIPTORS },
	{ MSG_UPDATED, is_asking_update, on_updated, 0 },
};

struct drop *
drop_open(struct drops *all, int socket, const struct drop_calls *calls,
    void *context)
{
	struct drop *d = calloc(1, sizeof *d);

	if (d)
		d->peer = peer_open(all->loop, socket, permits,
		    sizeof permits / sizeof permits[0], on_gone, d);
	if (d == NULL || d->peer == NULL) {
		close(socket);
		free(d);
		return NULL;
	}
	d->all = all;
	d->calls = calls;
	d->context = context;
	d->fd = -1;
	buf_init(&d->removed, REMOVE_BYTES);
	all->n++;
	ask(d, ASKS_LIST, DROP_LIST_MS);
	return d;
}

bool
drop_is_asking(struct drop *d, uint64_t now_ms)
{
	if (d->question != ASKS_NOTHING) {
		if (now_ms >= d->deadline_ms)
			fail(d);
		return true;
	}
	if (now_ms - d->used_ms >= DROP_IDLE_MS) {
		close_message(d);
		ahead_give_up(&d->ahead);
	}
	return false;
}

void
drop_close(struct drop *d)
{
	if (d == NULL)
		return;
	hang_up(d);
	close_message(d);
	d->all->n--;
	d->all->list_bytes -= d->list.len;
	buf_finish(&d->list);
	buf_finish(&d->removed);
	free(d);
}
