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
	bool         is_whole;
	bool         has_score;       /* the three below are known */
	bool         is_spam;         /* spamd's own opinion */
	int64_t      score_milli;
	int64_t      threshold_milli; /* spamd's own required score */
	bool         has_changed;     /* TELL: it was not known before */
	struct bytes version;         /* PING: "1.5" */
	struct bytes body;            /* of those that have a text; borrows */
	/* Not whole: */
	uint64_t     code;            /* spamd's own error code, else 0 */
	struct bytes error;           /* what was wrong, printable */
};

/*
 * Read all that was received up to the end of the connection. The reply is whole
 * or it is an error, never a part: each command needs the fields that make its
 * answer (a score; for a text, Content-length and exactly that many bytes).
 */
bool spamc_reply_read(struct bytes received, enum spamc_command command,
    struct spamc_reply *out);

#endif
