#include "proto/pop3_text.h"

#include <string.h>

/* What has gone out of the line. */
enum { NOTHING, ONLY_CR, TEXT, TEXT_CR };

struct pop3_text
pop3_text_of(uint64_t lines)
{
	return (struct pop3_text){ .lines_left = lines, .at = NOTHING };
}

/* Some of a line, no LF in it. Returns the place behind it. */
static char *
put_part(struct pop3_text *t, struct bytes part, char *to)
{
	bool is_first = t->at == NOTHING;

	if (part.n == 0)
		return to;
	if (is_first && part.p[0] == '.')
		*to++ = '.';
	memcpy(to, part.p, part.n);
	if (part.p[part.n - 1] != '\r')
		t->at = TEXT;
	else
		t->at = is_first && part.n == 1 ? ONLY_CR : TEXT_CR;
	return to + part.n;
}

static void
count_line(struct pop3_text *t, bool is_blank)
{
	if (t->in_body)
		t->lines_left--;
	else
		t->in_body = is_blank;
	t->is_done = t->in_body && t->lines_left == 0;
}

/* A CR that stands before the LF is a part of this line end. */
static char *
put_line_end(struct pop3_text *t, char *to)
{
	bool is_behind_cr = t->at == ONLY_CR || t->at == TEXT_CR;

	if (!is_behind_cr)
		*to++ = '\r';
	*to++ = '\n';
	count_line(t, t->at == NOTHING || t->at == ONLY_CR);
	t->at = NOTHING;
	return to;
}

void
pop3_text_add(struct pop3_text *t, struct bytes piece, struct buf *out)
{
	char  *start = buf_room(out, 2 * piece.n); /* all of it may be LF */
	char  *to = start;
	size_t lf;

	if (start == NULL)
		return;
	while (piece.n > 0 && !t->is_done) {
		lf = bytes_find(piece, '\n');
		to = put_part(t, bytes_first(piece, lf), to);
		if (lf < piece.n)
			to = put_line_end(t, to);
		piece = bytes_from(piece, lf + 1);
	}
	buf_grew(out, (size_t)(to - start));
}

void
pop3_text_end(struct pop3_text *t, struct buf *out)
{
	static const char behind_cr[] = "\n.\r\n", behind_text[] = "\r\n.\r\n";

	if (t->at == NOTHING)
		buf_add_string(out, ".\r\n");
	else
		buf_add_string(out, t->at == TEXT ? behind_text : behind_cr);
}
