/*
 * What a classic spamd client asks, and the whole replies that it gets. hi-q asks
 * less, and more at a time: proto/spamd.h.
 */
#ifndef AMPEL_PROTO_SPAMC_H
#define AMPEL_PROTO_SPAMC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum spamc_command {
	SPAMC_PROCESS,          /* the message, rewritten */
	SPAMC_HEADERS,          /* its header section, rewritten */
	SPAMC_CHECK,            /* the score alone */
	SPAMC_SYMBOLS,          /* the names of the rules */
	SPAMC_REPORT,           /* a text for people */
	SPAMC_REPORT_IF_SPAM,
	SPAMC_TELL_SPAM,        /* learn it as spam, as ham, or forget it */
	SPAMC_TELL_HAM,
	SPAMC_TELL_FORGET,
	SPAMC_PING,
};

struct spamc_request {
	enum spamc_command command;
	struct bytes       user;          /* empty: not said; no control characters */
	uint64_t           size_bytes;    /* as it is sent */
	bool               is_compressed; /* by zlib */
};

/*
 * The head of the request; the message follows, and then the client closes its
 * writing side. Nothing follows PING.
 */
void spamc_add_request(struct buf *b, const struct spamc_request *request);

/* A reply may be that much longer than the message that it answers. */
enum { SPAMC_REPLY_MORE = 256 * 1024 };

struct spamc_reply {
	/* Not of PING and TELL: */
	bool         is_spam;         /* spamd's own opinion */
	int64_t      score_milli;
	int64_t      threshold_milli; /* spamd's own required score */
	bool         has_changed;     /* of TELL: spamd has learned or forgotten */
	struct bytes version;         /* "1.5"; borrows from what was received */
	struct bytes body;            /* of those that have a text; borrows */
	/* Of an error alone: */
	uint64_t     code;            /* spamd's own error code, else 0 */
	struct bytes error;           /* what was wrong, printable */
};

/*
 * Read all that was received up to the end of the connection. True: the reply is
 * whole. Else it is an error, never a part of a reply: each command needs the fields
 * that make its answer (a score; for a text, Content-length and exactly that many
 * bytes; for a message, one that is not empty).
 */
bool spamc_reply_read(struct bytes received, enum spamc_command command,
    struct spamc_reply *out);

#endif
