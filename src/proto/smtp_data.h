/*
 * Mail data as it stands on the wire, RFC 5321 section 4.1.1.4 and 4.5.2: up to
 * CRLF.CRLF, dots removed, CRLF made LF. Or in chunks of BDAT, RFC 3030 section 2, that
 * may end anywhere, also within a CRLF: dots mean nothing there.
 *
 * The end of DATA is CRLF.CRLF and nothing that merely looks like it, also behind a
 * fault: whoever ended the data elsewhere would take for commands what another
 * server took for text.
 */
#ifndef AMPEL_PROTO_SMTP_DATA_H
#define AMPEL_PROTO_SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { SMTP_DATA_LINE_MAX = 64 * 1024 }; /* octets before the CRLF */

enum smtp_data_fault {
	SMTP_DATA_FINE,
	SMTP_DATA_BARE_CR,
	SMTP_DATA_BARE_LF,
	SMTP_DATA_NUL,
	SMTP_DATA_LONG_LINE,
};

/* Zeroed is the start of mail data. */
struct smtp_data {
	int                  state;      /* private */
	size_t               line_len;   /* private */
	enum smtp_data_fault fault;      /* the first one */
	uint64_t             size_bytes; /* CRLF counted, dots removed */
	bool                 is_ended;
	bool                 is_chunked; /* set before the first octet: BDAT */
};

/*
 * Decode input, at most up to the end of the data, and append the text to out: no
 * more bytes than are consumed. Behind a fault nothing is appended any more. Returns
 * how much was consumed.
 */
size_t smtp_data_feed(struct smtp_data *d, struct bytes input, struct buf *out);

/* The last chunk is over. A line that has no end is given one. */
void smtp_data_end(struct smtp_data *d, struct buf *out);

#endif
