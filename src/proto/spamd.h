/*
 * The SPAMC/SPAMD protocol, client side: the request that asks for a score and
 * the names of the rules (SYMBOLS), and its reply.
 */
#ifndef AMPEL_PROTO_SPAMD_H
#define AMPEL_PROTO_SPAMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { SPAMD_REPLY_MAX = 64 * 1024 };

/*
 * The head of a SYMBOLS request for a message of size_bytes, which follows it;
 * then the client closes its writing side. The size counts what is really sent.
 */
void spamd_add_request(struct buf *b, uint64_t size_bytes);

enum spamd_result {
	SPAMD_MORE,  /* the reply is not whole yet */
	SPAMD_SCORE,
	SPAMD_ERROR, /* garbled, no score, an error code: never a colour */
};

struct spamd_reply {
	int64_t      score_milli;
	int64_t      threshold_milli; /* spamd's own required score */
	bool         is_spam;         /* spamd's own opinion; not used to decide */
	struct bytes tests;           /* "A,B,C"; borrows from the buffer */
	struct bytes error;           /* SPAMD_ERROR: what was wrong, printable */
};

/*
 * Read a reply out of all bytes received so far; at_end says that the peer has
 * closed. Any order and case of header names, LF or CRLF, unknown headers are
 * skipped. A missing, doubled, NaN or garbled Spam header is an error; so is a
 * reply cut short of its Content-length.
 */
enum spamd_result spamd_read_reply(
    struct bytes received, bool at_end, struct spamd_reply *out);

#endif
