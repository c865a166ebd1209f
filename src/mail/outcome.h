/*
 * What became of one recipient in one attempt to deliver. The same four
 * everywhere: in deliver and remote, between processes, in the store, in logs
 * and in delivery status notifications (RFC 3464 section 2.3.3).
 */
#ifndef AMPEL_MAIL_OUTCOME_H
#define AMPEL_MAIL_OUTCOME_H

#include <stdbool.h>

#include "base/bytes.h"
#include "mail/status.h"

enum outcome_kind {
	OUTCOME_DEFERRED = 0, /* try again later; also what unknown means */
	OUTCOME_DELIVERED,
	OUTCOME_FAILED,       /* for good: bounces */
	OUTCOME_EXPANDED,     /* became other recipients on the same body */
};

struct outcome {
	enum outcome_kind kind;
	struct status     status;
	/* All borrowed, printable ASCII, one line. */
	struct bytes      text;       /* why; of another server its reply, verbatim, code first */
	struct bytes      host;       /* which other server: "mx.example.net [192.0.2.1]"; empty: none */
	struct bytes      protection; /* what protected the way there: "TLSv1.3 ... DANE"; empty: local */
	bool              is_reply;     /* text is what host replied */
	bool              is_handed_on; /* delivered to a server that reports success itself (RFC 3461) */
	bool              is_down;      /* deferred since no server of the destination could be reached */
};

/* One that came about here, without another server. */
struct outcome outcome_of(
    enum outcome_kind kind, struct status status, struct bytes text);

/* "delivered", "deferred", ... */
const char *outcome_name(enum outcome_kind kind);

#endif
