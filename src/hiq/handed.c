#include "hiq/handed.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "hiq/caller.h"
#include "io/clock.h"
#include "io/memfile.h"
#include "mail/header.h"

enum {
	PIECE = 64 * 1024, /* what a pipe holds */
	/* A piece, and what the header filter held back before it. */
	CLEAN_MAX = PIECE + 1024,
	NAME_MAX_LENGTH = 255,
};

struct reading {
	struct handed       *handed;
	const char          *scratch;
	uint64_t             message_max;
	bool                 is_on_disk;
	struct header_filter header;
	struct buf           clean; /* of the piece, what may stay */
	char                *piece;
};

/* 0 at the end, -1 with errno. */
static ssize_t
read_piece(int fd, char *piece)
{
	ssize_t got;

	do
		got = read(fd, piece, PIECE);
	while (got == -1 && errno == EINTR);
	return got;
}

/* --- the message --- */

/* It has outgrown a memory file. */
static bool
move_to_disk(struct reading *r)
{
	struct handed *h = r->handed;
	int            fd = memfile_new_on_disk(r->scratch);

	if (fd == -1)
		return false;
	if (memfile_copy(h->fd, h->size_bytes, fd) == -1) {
		close(fd);
		return false;
	}
	close(h->fd);
	h->fd = fd;
	r->is_on_disk = true;
	return true;
}

static enum qmail_queue_code
store(struct reading *r)
{
	struct handed *h = r->handed;
	struct bytes   clean = buf_bytes(&r->clean);

	if (r->clean.failed)
		return QMAIL_QUEUE_NO_MEMORY;
	if (clean.n > r->message_max - h->size_bytes)
		return QMAIL_QUEUE_REJECTED;
	if (!r->is_on_disk && h->size_bytes + clean.n > MEMFILE_LARGE &&
	    !move_to_disk(r))
		return QMAIL_QUEUE_WRITE_ERROR;
	if (memfile_write(h->fd, clean) == -1)
		return QMAIL_QUEUE_WRITE_ERROR;
	h->size_bytes += clean.n;
	buf_clear(&r->clean);
	return QMAIL_QUEUE_OK;
}

static enum qmail_queue_code
read_message(struct reading *r)
{
	enum qmail_queue_code code = QMAIL_QUEUE_OK;
	ssize_t               got = 1;

	r->handed->fd = memfile_new("message");
	if (r->handed->fd == -1)
		return QMAIL_QUEUE_WRITE_ERROR;
	while (got > 0 && code == QMAIL_QUEUE_OK) {
		got = read_piece(CALLER_MESSAGE, r->piece);
		if (got == -1)
			return QMAIL_QUEUE_READ_ERROR;
		if (got > 0)
			header_filter_feed(&r->header,
			    (struct bytes){ r->piece, (size_t)got }, &r->clean);
		else
			header_filter_end(&r->header, &r->clean);
		code = store(r);
	}
	if (code == QMAIL_QUEUE_OK && memfile_seal_if_memory(r->handed->fd) == -1)
		code = QMAIL_QUEUE_WRITE_ERROR;
	return code;
}

/* --- the envelope --- */

static enum qmail_queue_code
read_envelope(struct reading *r)
{
	struct qmail_envelope *e = &r->handed->envelope;
	ssize_t                got;

	do {
		got = read_piece(CALLER_ENVELOPE, r->piece);
		if (got == -1)
			return QMAIL_QUEUE_READ_ERROR;
	} while (got > 0 &&
	    qmail_envelope_feed(e, (struct bytes){ r->piece, (size_t)got }));
	return qmail_envelope_end(e);
}

enum qmail_queue_code
handed_read(struct handed *h, uint64_t message_max, const char *scratch)
{
	struct reading        r = { .handed = h, .scratch = scratch,
		       .message_max = message_max, .piece = malloc(PIECE) };
	enum qmail_queue_code code = QMAIL_QUEUE_NO_MEMORY;

	*h = (struct handed){ .fd = -1 };
	qmail_envelope_init(&h->envelope);
	buf_init(&r.clean, CLEAN_MAX);
	if (r.piece)
		code = read_message(&r);
	if (code == QMAIL_QUEUE_OK)
		code = read_envelope(&r);
	buf_finish(&r.clean);
	free(r.piece);
	return code;
}

void
handed_finish(struct handed *h)
{
	if (h->fd != -1)
		close(h->fd);
	qmail_envelope_finish(&h->envelope);
}

/* --- in our terms --- */

/* What the server in front says of the client; too long for that is not believed. */
static struct bytes
known(const char *variable)
{
	struct bytes value = bytes_of(getenv(variable));

	return value.n <= NAME_MAX_LENGTH ? value : (struct bytes){ NULL, 0 };
}

bool
handed_envelope(const struct handed *h, struct arena *arena, struct envelope *out)
{
	uint8_t random[ID_RANDOM];
	size_t  at = 0, n = qmail_envelope_count(&h->envelope);

	random_fill(random, sizeof random);
	*out = (struct envelope){
		.arrival_ms = clock_now_ms(),
		.reverse_path = qmail_envelope_reverse_path(&h->envelope),
		.body = BODY_8BITMIME,
		.listener = BYTES("smtp"), /* what a filter is for unless it says */
		.peer_address = known("TCPREMOTEIP"),
		.peer_name = known("TCPREMOTEHOST"),
		.size_bytes = h->size_bytes,
		.n_recipients = n,
	};
	out->id = id_make(out->arrival_ms, random);
	out->recipients = arena_alloc(arena, (n + 1) * sizeof *out->recipients);
	for (size_t i = 0; out->recipients && i < n; i++) {
		struct bytes address;

		qmail_envelope_next(&h->envelope, &at, &address);
		out->recipients[i].address = address;
		out->recipients[i].original = address;
	}
	return out->recipients != NULL;
}
