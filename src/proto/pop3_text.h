/*
 * The text of a message as POP3 sends it, RFC 1939 section 3: every line ends with CRLF,
 * one that begins with a dot has another in front, and a dot by itself ends it.
 */
#ifndef AMPEL_PROTO_POP3_TEXT_H
#define AMPEL_PROTO_POP3_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

#define POP3_TEXT_WHOLE UINT64_MAX /* as a number of lines */

struct pop3_text {
	uint64_t lines_left; /* of the body */
	bool     in_body;
	bool     is_done;    /* the rest of the message is not wanted */
	int      at;         /* private: where in a line */
};

/* As TOP has it: the header section, the blank line, and so many lines of the body. */
struct pop3_text pop3_text_of(uint64_t lines);

/*
 * The next piece of the message as it is stored; line ends are LF or CRLF. out grows by at
 * most twice the piece.
 */
void pop3_text_add(struct pop3_text *t, struct bytes piece, struct buf *out);
/* There is no more. A last line without a line end gets one. */
void pop3_text_end(struct pop3_text *t, struct buf *out);

#endif
