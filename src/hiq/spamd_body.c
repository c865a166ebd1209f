#include "hiq/spamd_body.h"

#include <errno.h>
#include <unistd.h>

#include "base/printable.h"

enum { LINE_MAX = 2048, PATH_MAX_LENGTH = 1000 };

void
spamd_body_init(struct spamd_body *body, int fd, uint64_t size_bytes,
    struct bytes reverse_path)
{
	*body = (struct spamd_body){ .fd = fd, .size_bytes = size_bytes };
	buf_init(&body->line, LINE_MAX);
	buf_add_string(&body->line, "X-Envelope-From: <");
	printable_add(&body->line, reverse_path, PATH_MAX_LENGTH);
	buf_add_string(&body->line, ">\r\n");
}

void
spamd_body_finish(struct spamd_body *body)
{
	buf_finish(&body->line);
}

void
spamd_body_rewind(struct spamd_body *body)
{
	body->offset = 0;
	body->after_cr = false;
}

/* Lines may end with CRLF already; each ends with exactly one. */
static void
add_with_crlf(struct spamd_body *body, struct bytes piece, struct buf *out)
{
	while (piece.n > 0) {
		size_t lf = bytes_find(piece, '\n');

		if (lf > 0)
			body->after_cr = piece.p[lf - 1] == '\r';
		buf_add_bytes(out, bytes_first(piece, lf));
		if (lf == piece.n)
			return;
		buf_add_string(out, body->after_cr ? "\n" : "\r\n");
		body->after_cr = false;
		piece = bytes_from(piece, lf + 1);
	}
}

/* The bytes read; 0: they are not there. */
static size_t
read_piece(struct spamd_body *body, char *piece, size_t n)
{
	ssize_t got;

	do
		got = pread(body->fd, piece, n, (off_t)body->offset);
	while (got == -1 && errno == EINTR);
	return got > 0 ? (size_t)got : 0;
}

bool
spamd_body_next(struct spamd_body *body, struct buf *out)
{
	uint64_t left = body->size_bytes - body->offset;
	size_t   want = left < SPAMD_PIECE ? (size_t)left : SPAMD_PIECE;
	char     piece[8 * 1024];
	size_t   got;

	buf_clear(out);
	if (body->offset == 0 && left > 0)
		buf_add_bytes(out, buf_bytes(&body->line));
	for (; want > 0; want -= got) {
		got = read_piece(
		    body, piece, want < sizeof piece ? want : sizeof piece);
		if (got == 0)
			return false; /* it is shorter than it was */
		body->offset += got;
		add_with_crlf(body, (struct bytes){ piece, got }, out);
	}
	return !out->failed && !body->line.failed;
}

bool
spamd_body_size(struct spamd_body *body, uint64_t *size_bytes)
{
	struct buf piece;
	bool       ok;

	*size_bytes = 0;
	spamd_body_rewind(body);
	buf_init(&piece, 2 * SPAMD_PIECE + LINE_MAX);
	while ((ok = spamd_body_next(body, &piece)) && piece.len > 0)
		*size_bytes += piece.len;
	buf_finish(&piece);
	spamd_body_rewind(body);
	return ok;
}
