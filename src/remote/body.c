#include "remote/body.h"

#include <errno.h>
#include <unistd.h>

#include "proto/smtp_client.h"

/* For whoever is read just now. */
static char chunk[SMTP_CLIENT_BODY_CHUNK];

bool
body_next(struct body *b, struct bytes *piece)
{
	uint64_t left = b->size_bytes - b->at;
	size_t   n = left < sizeof chunk ? (size_t)left : sizeof chunk;
	ssize_t  got;

	do
		got = pread(b->fd, chunk, n, (off_t)b->at);
	while (got == -1 && errno == EINTR);
	if (got < 0 || (size_t)got != n)
		return false;
	b->at += n;
	*piece = (struct bytes){ chunk, n };
	return true;
}

bool
body_is_read(const struct body *b)
{
	return b->at == b->size_bytes;
}

/* Without a branch, so that compilers make it fast. */
static bool
has_8bit(struct bytes text)
{
	unsigned all = 0;

	for (size_t i = 0; i < text.n; i++)
		all |= (unsigned char)text.p[i];
	return all > 127;
}

bool
body_has_8bit(const struct body *b)
{
	struct body  all = { b->fd, 0, b->size_bytes };
	struct bytes piece;

	/* what cannot be read now cannot be read later */
	while (!body_is_read(&all) && body_next(&all, &piece))
		if (has_8bit(piece))
			return true;
	return false;
}
