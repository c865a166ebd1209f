/*
 * What a program in the place of qmail-queue reads on descriptor 1, and what its exit
 * code says (qmail-queue(8)), for that program and for who calls it. The envelope is "F" reverse-path NUL, for each recipient "T"
 * address NUL, and one more NUL at the end; addresses are plain bytes, not quoted
 * as in SMTP. Only with its last NUL it is there at all: an EOF before it means that the
 * caller has given up.
 */
#ifndef AMPEL_PROTO_QMAIL_QUEUE_H
#define AMPEL_PROTO_QMAIL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "proto/smtp_reply.h"

enum {
	QMAIL_QUEUE_ADDRESS_MAX = 1003,          /* bytes, with its NUL */
	QMAIL_QUEUE_ENVELOPE_MAX = 64 * 1024 * 1024,
	QMAIL_QUEUE_TEXT_MAX = 255,              /* of what is said on descriptor 6 */
	QMAIL_QUEUE_TEXT_FD = 6,
};

/* Exit codes. 11 to 40 are permanent, all others but 0 temporary. */
enum qmail_queue_code {
	QMAIL_QUEUE_OK = 0,
	QMAIL_QUEUE_ADDRESS_TOO_LONG = 11,
	QMAIL_QUEUE_SPAM = 21,          /* ours: rejected by a filter */
	QMAIL_QUEUE_REJECTED = 31,      /* permanently */
	QMAIL_QUEUE_NO_MEMORY = 51,
	QMAIL_QUEUE_TIMEOUT = 52,
	QMAIL_QUEUE_WRITE_ERROR = 53,   /* or disk full */
	QMAIL_QUEUE_READ_ERROR = 54,    /* or the envelope has no end */
	QMAIL_QUEUE_NO_CONFIGURATION = 55,
	QMAIL_QUEUE_NO_NETWORK = 56,
	QMAIL_QUEUE_DEFERRED = 71,      /* the server rejects it for now; system error */
	QMAIL_QUEUE_TIMED_OUT = 72,     /* the connection to it */
	QMAIL_QUEUE_REFUSED = 73,       /* the connection to it */
	QMAIL_QUEUE_CONNECTION_LOST = 74,
	QMAIL_QUEUE_BUG = 81,
	QMAIL_QUEUE_CUSTOM = 82,        /* text on descriptor 6: "D" or "Z" and a reply */
	QMAIL_QUEUE_BAD_ENVELOPE = 91,
	QMAIL_QUEUE_NOT_RUN = 120,      /* it could not be */
	/* What a caller sees instead of a code. */
	QMAIL_QUEUE_CRASHED = 256,      /* ended by a signal */
	QMAIL_QUEUE_LOST,               /* nobody knows how it ended */
};

/*
 * Reads an envelope as it comes. feed takes bytes until it is whole or broken; what stands
 * behind the last NUL is not looked at. The same for every way to cut the input.
 */
struct qmail_envelope {
	struct buf text;    /* all of it, as it was written */
	size_t     record;  /* where the record that is being read begins */
	int        state;
	enum qmail_queue_code fault; /* OK while it is none */
};

void qmail_envelope_init(struct qmail_envelope *e);
void qmail_envelope_finish(struct qmail_envelope *e);
/* False: it wants no more, since it is whole or broken. */
bool qmail_envelope_feed(struct qmail_envelope *e, struct bytes input);
/*
 * At EOF, or once feed is false: OK when the envelope is whole; READ_ERROR when its end is missing;
 * ADDRESS_TOO_LONG, BAD_ENVELOPE, NO_MEMORY (also: longer than QMAIL_QUEUE_ENVELOPE_MAX).
 */
enum qmail_queue_code qmail_envelope_end(const struct qmail_envelope *e);

/*
 * The caller's side: the records of an envelope, and its end. address is as SMTP writes it, and
 * loses its quotes.
 */
void qmail_envelope_add_reverse_path(struct buf *b, struct bytes address);
void qmail_envelope_add_recipient(struct buf *b, struct bytes address);
void qmail_envelope_add_end(struct buf *b);

/*
 * What a server says to its client behind such an end, other than OK. text: of descriptor 6, from which
 * the reply to CUSTOM is taken and borrows. Its class is that of its letter, whatever stands behind
 * that.
 */
struct smtp_reply qmail_queue_reply(int code, struct bytes text);

/* Of a whole envelope; views live as long as it does. */
struct bytes qmail_envelope_reverse_path(const struct qmail_envelope *e);
size_t       qmail_envelope_count(const struct qmail_envelope *e);
/* The next recipient: *at is 0 before the first. False: that was the last. */
bool qmail_envelope_next(const struct qmail_envelope *e, size_t *at,
    struct bytes *recipient);

#endif
