/*
 * Replies as a client of SMTP reads them, RFC 5321 section 4.2, a line at a time. From a
 * stranger: bounded in lines and in their length; only its text, cut to printable ASCII
 * and to SMTP_CLIENT_TEXT_MAX, goes any further.
 */
#ifndef AMPEL_PROTO_SMTP_CLIENT_REPLY_H
#define AMPEL_PROTO_SMTP_CLIENT_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/status.h"

struct smtp_client_reply {
	unsigned      code;     /* 200 to 599 */
	struct status status;   /* RFC 2034, of the code's class; class 0: none was given */
	struct buf    text;     /* "550 5.1.1 nobody here", lines joined by blanks */
	size_t        n_lines;
	bool          is_whole;
};

enum smtp_client_reply_result {
	SMTP_CLIENT_REPLY_MORE,  /* no whole line is there */
	SMTP_CLIENT_REPLY_LINE,  /* one that others follow */
	SMTP_CLIENT_REPLY_WHOLE, /* the last one */
	/* No more can be read from here: */
	SMTP_CLIENT_REPLY_MALFORMED,
	SMTP_CLIENT_REPLY_OTHER_CODE, /* than the lines before */
	SMTP_CLIENT_REPLY_LONG_LINE,
	SMTP_CLIENT_REPLY_MANY_LINES,
};

void smtp_client_reply_init(struct smtp_client_reply *r);
void smtp_client_reply_finish(struct smtp_client_reply *r);

/*
 * Take a line off the front of *input; behind a whole reply it begins the next. CRLF ends it,
 * or LF alone. *line, a view of the input, is its text as it came, without code and line end;
 * of what cannot be read the whole line, so far as it is there.
 */
enum smtp_client_reply_result smtp_client_reply_next(
    struct smtp_client_reply *r, struct bytes *input, struct bytes *line);

/* The status given, or that of the code's class with nothing more: 5.0.0. */
struct status smtp_client_reply_status(const struct smtp_client_reply *r);

#endif
