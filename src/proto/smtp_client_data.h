/*
 * Mail data on its way out, RFC 5321 sections 2.3.8 and 4.5.2: LF becomes CRLF, the last
 * line gets one too, and for DATA a dot at the front of a line is doubled. A CR that
 * stands in front of LF belongs to the line end; any other, and NUL, never goes out
 * (section 2.3.8: CR and LF only as CRLF; a server that takes them for line ends sees
 * another end of the message than we meant).
 */
#ifndef AMPEL_PROTO_SMTP_CLIENT_DATA_H
#define AMPEL_PROTO_SMTP_CLIENT_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum smtp_client_data_fault {
	SMTP_CLIENT_DATA_FINE,
	SMTP_CLIENT_DATA_BARE_CR,
	SMTP_CLIENT_DATA_NUL,
};

/* Zeroed is the start of a message. */
struct smtp_client_data {
	uint64_t size_bytes; /* of the pieces so far */
	bool     in_line;    /* private: the line has begun */
	bool     behind_cr;  /* private: a CR ended the last piece */
};

/*
 * Whether this piece may follow, the last one: end the message. Look before anything of it
 * goes out.
 */
enum smtp_client_data_fault smtp_client_data_check(
    const struct smtp_client_data *d, struct bytes piece, bool is_last);
/* How many octets smtp_client_data_add makes of it, without the dots that are doubled. */
size_t smtp_client_data_size(
    const struct smtp_client_data *d, struct bytes piece, bool is_last);
/* At most twice the piece and a line end. Only what was found FINE. */
void   smtp_client_data_add(struct smtp_client_data *d, struct bytes piece,
      bool is_last, bool has_dots_doubled, struct buf *out);

#endif
