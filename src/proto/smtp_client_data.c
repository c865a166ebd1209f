#include "proto/smtp_client_data.h"

#include <string.h>

/* Whether each CR is followed by LF; what follows the last byte is not known yet. */
static bool
has_bare_cr(struct bytes piece)
{
	size_t at = 0;

	for (;;) {
		at += bytes_find(bytes_from(piece, at), '\r');
		if (at + 1 >= piece.n)
			return false;
		if (piece.p[++at] != '\n')
			return true;
	}
}

static bool
ends_with(struct bytes piece, char c)
{
	return piece.n > 0 && piece.p[piece.n - 1] == c;
}

enum smtp_client_data_fault
smtp_client_data_check(
    const struct smtp_client_data *d, struct bytes piece, bool is_last)
{
	bool is_left_over = d->behind_cr && piece.n > 0 && piece.p[0] != '\n';
	bool is_at_end = is_last &&
	    (piece.n > 0 ? ends_with(piece, '\r') : d->behind_cr);

	if (bytes_find(piece, '\0') < piece.n)
		return SMTP_CLIENT_DATA_NUL;
	if (is_left_over || is_at_end || has_bare_cr(piece))
		return SMTP_CLIENT_DATA_BARE_CR;
	return SMTP_CLIENT_DATA_FINE;
}

/* Whether a line end is missing behind the last piece. */
static bool
lacks_end(const struct smtp_client_data *d, struct bytes piece, bool is_last)
{
	return is_last && (piece.n > 0 ? !ends_with(piece, '\n') : d->in_line);
}

size_t
smtp_client_data_size(
    const struct smtp_client_data *d, struct bytes piece, bool is_last)
{
	size_t n = lacks_end(d, piece, is_last) ? 2 : 0;

	for (size_t i = 0; i < piece.n; i++)
		if (piece.p[i] == '\n')
			n += 2;
		else
			n += piece.p[i] != '\r';
	return n;
}

/* Some of a line, no LF in it. Returns the place behind it. */
static char *
put_part(struct smtp_client_data *d, struct bytes part, bool doubles, char *to)
{
	d->behind_cr = part.n > 0 ? ends_with(part, '\r') : d->behind_cr;
	part.n -= ends_with(part, '\r');
	if (part.n == 0)
		return to;
	if (doubles && !d->in_line && part.p[0] == '.')
		*to++ = '.';
	memcpy(to, part.p, part.n);
	d->in_line = true;
	return to + part.n;
}

static char *
put_line_end(struct smtp_client_data *d, char *to)
{
	*to++ = '\r';
	*to++ = '\n';
	d->in_line = false;
	d->behind_cr = false;
	return to;
}

void
smtp_client_data_add(struct smtp_client_data *d, struct bytes piece, bool is_last,
    bool has_dots_doubled, struct buf *out)
{
	bool   lacks = lacks_end(d, piece, is_last);
	char  *start = buf_room(out, 2 * piece.n + 2); /* all of it may be LF */
	char  *to = start;
	size_t lf;

	if (start == NULL)
		return;
	d->size_bytes += piece.n;
	while (piece.n > 0) {
		lf = bytes_find(piece, '\n');
		to = put_part(d, bytes_first(piece, lf), has_dots_doubled, to);
		if (lf < piece.n)
			to = put_line_end(d, to);
		piece = bytes_from(piece, lf + 1);
	}
	if (lacks)
		to = put_line_end(d, to);
	buf_grew(out, (size_t)(to - start));
}
