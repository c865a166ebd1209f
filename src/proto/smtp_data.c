#include "proto/smtp_data.h"

enum {
	LINE_START = 0, /* behind CRLF, or at the very start */
	TEXT,
	CR,             /* behind a CR in a line */
	DOT,            /* behind the dot that a line starts with */
	DOT_CR,         /* behind that dot and a CR */
};

static void
fault(struct smtp_data *d, enum smtp_data_fault what)
{
	if (d->fault == SMTP_DATA_FINE)
		d->fault = what;
}

static void
add(struct smtp_data *d, struct bytes text, struct buf *out)
{
	d->line_len += text.n;
	d->size_bytes += text.n;
	if (d->line_len > SMTP_DATA_LINE_MAX)
		fault(d, SMTP_DATA_LONG_LINE);
	if (d->fault == SMTP_DATA_FINE)
		buf_add_bytes(out, text);
}

static void
end_line(struct smtp_data *d, struct buf *out)
{
	d->line_len = 0;
	d->size_bytes += 2;
	d->state = LINE_START;
	if (d->fault == SMTP_DATA_FINE)
		buf_add_char(out, '\n');
}

/* The bytes at the front of input that mean nothing but themselves. */
static struct bytes
plain_text(struct bytes input)
{
	size_t n = 0;

	while (n < input.n && input.p[n] != '\r' && input.p[n] != '\n' &&
	    input.p[n] != '\0')
		n++;
	return bytes_first(input, n);
}

/* One byte that may mean something, behind text. */
static void
special(struct smtp_data *d, char c)
{
	d->state = TEXT;
	if (c == '\r') {
		d->state = CR;
		return;
	}
	d->size_bytes++;
	fault(d, c == '\n' ? SMTP_DATA_BARE_LF : SMTP_DATA_NUL);
}

/*
 * Where a line starts, or behind its dot, or behind a CR: at most one byte is
 * consumed, none when it is text after all.
 */
static size_t
line_edge(struct smtp_data *d, char c, struct buf *out)
{
	int state = d->state;

	d->state = TEXT;
	if (state == LINE_START && c == '.' && !d->is_chunked) {
		d->state = DOT;
		return 1;
	}
	if (state == DOT && c == '\r') {
		d->state = DOT_CR;
		return 1;
	}
	if (state == CR && c == '\n') {
		end_line(d, out);
		return 1;
	}
	if (state == DOT_CR && c == '\n') {
		d->is_ended = true;
		return 1;
	}
	if (state == CR || state == DOT_CR) {
		d->size_bytes++;
		fault(d, SMTP_DATA_BARE_CR);
	}
	return 0;
}

size_t
smtp_data_feed(struct smtp_data *d, struct bytes input, struct buf *out)
{
	size_t       at = 0;
	struct bytes text;

	while (at < input.n && !d->is_ended) {
		if (d->state != TEXT) {
			at += line_edge(d, input.p[at], out);
			continue;
		}
		text = plain_text(bytes_from(input, at));
		add(d, text, out);
		at += text.n;
		if (at < input.n)
			special(d, input.p[at++]);
	}
	return at;
}

void
smtp_data_end(struct smtp_data *d, struct buf *out)
{
	if (d->state == CR) {
		d->size_bytes++;
		fault(d, SMTP_DATA_BARE_CR);
	}
	if (d->state == TEXT && d->fault == SMTP_DATA_FINE)
		buf_add_char(out, '\n');
	d->is_ended = true;
}
