#include "proto/smtp_line.h"

#include "proto/sasl.h"

static void
drop_octets(struct smtp_line *l, struct bytes *input)
{
	size_t n = l->octets < input->n ? (size_t)l->octets : input->n;

	l->octets -= n;
	*input = bytes_from(*input, n);
}

/* Whether the byte at i, an LF, ends a line of which earlier bytes may be gone. */
static bool
is_behind_cr(const struct smtp_line *l, struct bytes input, size_t i)
{
	return i > 0 ? input.p[i - 1] == '\r' : l->seen_cr;
}

/* Drop what is there of a line that was too long. */
static enum smtp_line_result
skip(struct smtp_line *l, struct bytes *input)
{
	size_t lf = bytes_find(*input, '\n');
	bool   ends;

	if (lf == input->n) {
		l->seen_cr = is_behind_cr(l, *input, input->n);
		*input = bytes_from(*input, input->n);
		return SMTP_LINE_MORE;
	}
	ends = is_behind_cr(l, *input, lf);
	*input = bytes_from(*input, lf + 1);
	l->is_skipped = false;
	return ends ? SMTP_LINE_OK : SMTP_LINE_BARE_LF;
}

static enum smtp_line_result
begin_skipping(struct smtp_line *l, struct bytes *input, size_t max)
{
	l->is_skipped = true;
	l->seen_cr = input->p[max - 1] == '\r';
	*input = bytes_from(*input, max);
	return SMTP_LINE_TOO_LONG;
}

/* How long a line that begins so may be. */
static size_t
line_max(enum smtp_line_kind kind, struct bytes input)
{
	if (kind == SMTP_LINE_RESPONSE)
		return SASL_LINE_MAX;
	if (kind == SMTP_LINE_COMMAND_OR_AUTH && bytes_start_nocase(input, BYTES("AUTH ")))
		return SASL_LINE_MAX;
	return SMTP_LINE_MAX;
}

enum smtp_line_result
smtp_line_next(struct smtp_line *l, enum smtp_line_kind kind, struct bytes *input,
    struct bytes *line)
{
	enum smtp_line_result skipped;
	size_t                lf, max;

	drop_octets(l, input);
	if (l->is_skipped) {
		skipped = skip(l, input);
		if (skipped != SMTP_LINE_OK)
			return skipped;
	}
	max = line_max(kind, *input);
	lf = bytes_find(bytes_first(*input, max), '\n');
	if (lf == max)
		return begin_skipping(l, input, max);
	if (lf == input->n)
		return SMTP_LINE_MORE;
	*line = bytes_first(*input, lf > 0 ? lf - 1 : 0);
	if (lf == 0 || input->p[lf - 1] != '\r')
		return SMTP_LINE_BARE_LF;
	*input = bytes_from(*input, lf + 1);
	return SMTP_LINE_OK;
}
