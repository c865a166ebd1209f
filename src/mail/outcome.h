/*
 * What became of one recipient in one attempt to deliver. The same four
 * everywhere: in deliver and remote, between processes, in the store, in logs
 * and in delivery status notifications (RFC 3464 section 2.3.3).
 */
#ifndef AMPEL_MAIL_OUTCOME_H
#define AMPEL_MAIL_OUTCOME_H

#include "base/bytes.h"
#include "mail/status.h"

enum outcome_kind {
	OUTCOME_DEFERRED = 0, /* try again later; also what unknown means */
	OUTCOME_DELIVERED,
	OUTCOME_FAILED,       /* for good: bounces, or is held until bounces exist */
	OUTCOME_EXPANDED,     /* became other recipients on the same body */
};

struct outcome {
	enum outcome_kind kind;
	struct status     status;
	struct bytes      text; /* borrowed, printable ASCII, one line */
};

/* "delivered", "deferred", ... */
const char *outcome_name(enum outcome_kind kind);

#endif
