/* What smtpd writes into the log: one line for each thing that was refused or taken. */
#ifndef AMPEL_SMTPD_RECORD_H
#define AMPEL_SMTPD_RECORD_H

#include <stdint.h>

#include "base/bytes.h"
#include "mail/envelope.h"
#include "mail/id.h"
#include "proto/smtp_server.h"

/* A message at the end of its data. */
struct record {
	struct id    id;
	struct bytes peer;
	struct bytes from;
	struct bytes rcpt;         /* the first one */
	size_t       n_recipients;
	uint64_t     size_bytes;
	uint64_t     duration_ms;  /* from the final dot to the answer */
};

/* Before it was greeted. */
void record_connect(struct bytes peer, const struct smtp_reply *reply);
/* Of the engine: a recipient, or a message whose data it did not take. */
void record_refusal(
    const struct envelope *envelope, const struct smtp_refusal *refusal);
/* The final line of a message. */
void record_message(const struct record *r, uint16_t code, struct status status,
    struct bytes why);
/* The client was gone before anything happened. */
void record_cancelled(const struct record *r);

#endif
