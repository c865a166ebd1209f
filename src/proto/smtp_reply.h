/*
 * Replies of SMTP: RFC 5321 section 4.2 with the enhanced status codes of RFC
 * 2034 and 3463. Always one line.
 */
#ifndef AMPEL_PROTO_SMTP_REPLY_H
#define AMPEL_PROTO_SMTP_REPLY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/status.h"

/* RFC 5321 section 4.5.3.1.5: octets of a reply line, CRLF included. */
enum { SMTP_REPLY_MAX = 512 };

struct smtp_reply {
	uint16_t      code;
	struct status status; /* class 0: none */
	struct bytes  text;   /* made printable and cut */
};

#define SMTP_REPLY(code, class, subject, detail, text) \
	((struct smtp_reply){ (code), { (class), (subject), (detail) }, \
	    BYTES_INIT(text) })

/*
 * One whole line. A code that no reply may have becomes 451, and a status of
 * another class than the code's is left out: a broken peer of ours must not
 * make the client believe what nobody said.
 */
void smtp_reply_add(struct buf *out, const struct smtp_reply *reply);

#endif
