#include "proto/smtp_reply.h"

#include "base/printable.h"

/* "250 " and "5.999.999 " and CRLF may stand around the text. */
enum { TEXT_MAX = SMTP_REPLY_MAX - 4 - 10 - 2 };

static bool
code_is_valid(uint16_t code)
{
	return (code >= 200 && code < 300) || (code >= 400 && code < 600) ||
	    code == 354;
}

void
smtp_reply_add(struct buf *out, const struct smtp_reply *reply)
{
	uint16_t code = code_is_valid(reply->code) ? reply->code : 451;

	buf_add_number(out, code);
	buf_add_char(out, ' ');
	if (reply->status.class != 0 && reply->status.class == code / 100) {
		status_add(out, reply->status);
		buf_add_char(out, ' ');
	}
	printable_add(out, reply->text, TEXT_MAX);
	buf_add_string(out, "\r\n");
}
