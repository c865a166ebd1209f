/*
 * Our trace field, RFC 5321 section 4.4: the line that says from whom, how and when
 * a message came.
 */
#ifndef AMPEL_PROTO_SMTP_RECEIVED_H
#define AMPEL_PROTO_SMTP_RECEIVED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/envelope.h"

struct smtp_received_from {
	bool     is_hidden;  /* nothing of the client's address and name is told */
	bool     is_account; /* the user of the envelope is one of this host, */
	uint32_t uid;        /* with that number */
};

/*
 * The whole field, LF line ends. What the client said of itself is reduced to
 * harmless characters, for it stands where people and programs look for facts. The
 * recipient is named only when there is one: others are nobody's business.
 */
void smtp_received_add(struct buf *b, struct bytes hostname,
    const struct envelope *envelope, struct smtp_received_from from);

#endif
