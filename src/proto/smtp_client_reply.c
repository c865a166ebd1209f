#include "proto/smtp_client_reply.h"

#include "base/number.h"
#include "base/printable.h"
#include "proto/smtp_client.h"

enum { CODE_LEN = 3, CODE_MIN = 200, CODE_MAX = 599 };

void
smtp_client_reply_init(struct smtp_client_reply *r)
{
	*r = (struct smtp_client_reply){ .code = 0 };
	buf_init(&r->text, SMTP_CLIENT_TEXT_MAX);
}

void
smtp_client_reply_finish(struct smtp_client_reply *r)
{
	buf_finish(&r->text);
	smtp_client_reply_init(r);
}

/* "250 text", "250-text", "250". */
static bool
code_parse(struct bytes line, unsigned *code)
{
	uint64_t n;

	if (!number_parse(bytes_first(line, CODE_LEN), CODE_MAX, &n) ||
	    n < CODE_MIN)
		return false;
	if (line.n > CODE_LEN && line.p[CODE_LEN] != ' ' && line.p[CODE_LEN] != '-')
		return false;
	*code = (unsigned)n;
	return true;
}

/*
 * RFC 2034 section 4: each line may begin with the status, which says nothing new behind
 * the first one.
 */
static struct bytes
take_status(struct smtp_client_reply *r, struct bytes text)
{
	size_t        blank = bytes_find(text, ' ');
	struct status status;

	if (!status_parse(bytes_first(text, blank), &status) ||
	    status.class != r->code / 100)
		return text;
	if (r->n_lines == 0) {
		r->status = status;
		return text;
	}
	if (status.class != r->status.class || status.subject != r->status.subject ||
	    status.detail != r->status.detail)
		return text;
	return bytes_from(text, blank + 1);
}

static void
add_text(struct smtp_client_reply *r, struct bytes text)
{
	struct bytes words = bytes_trim(take_status(r, bytes_trim(text)));

	if (r->n_lines == 0)
		buf_add_number(&r->text, r->code);
	if (words.n == 0 || r->text.len == SMTP_CLIENT_TEXT_MAX)
		return;
	buf_add_char(&r->text, ' ');
	printable_add(&r->text, words, SMTP_CLIENT_TEXT_MAX - r->text.len);
}

static void
restart(struct smtp_client_reply *r)
{
	buf_clear(&r->text);
	*r = (struct smtp_client_reply){ .text = r->text };
}

static enum smtp_client_reply_result
take_line(struct smtp_client_reply *r, struct bytes *line)
{
	unsigned code;
	bool     is_last = line->n <= CODE_LEN || line->p[CODE_LEN] == ' ';

	if (!code_parse(*line, &code))
		return SMTP_CLIENT_REPLY_MALFORMED;
	if (r->n_lines > 0 && code != r->code)
		return SMTP_CLIENT_REPLY_OTHER_CODE;
	if (r->n_lines == SMTP_CLIENT_LINES_MAX)
		return SMTP_CLIENT_REPLY_MANY_LINES;
	r->code = code;
	*line = bytes_from(*line, CODE_LEN + 1);
	add_text(r, *line);
	r->n_lines++;
	r->is_whole = is_last;
	return is_last ? SMTP_CLIENT_REPLY_WHOLE : SMTP_CLIENT_REPLY_LINE;
}

enum smtp_client_reply_result
smtp_client_reply_next(
    struct smtp_client_reply *r, struct bytes *input, struct bytes *line)
{
	struct bytes front = bytes_first(*input, SMTP_CLIENT_LINE_MAX);
	size_t       lf = bytes_find(front, '\n');

	if (r->is_whole)
		restart(r);
	*line = bytes_first(front, lf);
	if (lf == front.n)
		return lf == SMTP_CLIENT_LINE_MAX ? SMTP_CLIENT_REPLY_LONG_LINE
		                                  : SMTP_CLIENT_REPLY_MORE;
	if (lf > 0 && line->p[lf - 1] == '\r')
		line->n--;
	*input = bytes_from(*input, lf + 1);
	return take_line(r, line);
}

struct status
smtp_client_reply_status(const struct smtp_client_reply *r)
{
	if (r->status.class != 0)
		return r->status;
	return STATUS((uint8_t)(r->code / 100), 0, 0);
}
