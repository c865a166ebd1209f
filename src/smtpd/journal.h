/* The log lines of ampel-smtpd, DESIGN section 11. */
#ifndef AMPEL_SMTPD_JOURNAL_H
#define AMPEL_SMTPD_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "mail/id.h"
#include "proto/smtp_server.h"
#include "service/submit.h"

enum { REFUSALS_LOGGED = 100 }; /* of one session */

/* What became of one message. */
struct journal_message {
	struct id    id;
	struct bytes peer, from;
	struct bytes rcpt; /* the first one */
	struct bytes user; /* who authenticated; empty: nobody */
	struct bytes tls;  /* version and cipher; empty: none */
	size_t       n_recipients;
	uint64_t     size_bytes;
	uint64_t     ms; /* from the final dot to the answer */
};

/* Who only mistypes is not worth a line. */
bool journal_is_worth(const struct smtp_refusal *refusal);
/*
 * ev=reject or ev=defer, of a recipient, a command, or a message whose data came: that
 * has an id, and this is its final line. user: who authenticated; may be empty.
 */
void journal_refusal(struct bytes peer, struct bytes user,
    const struct smtp_refusal *refusal);
/* ev=accept, ev=reject or ev=defer by its code. why: NULL for its text. */
void journal_result(const struct journal_message *m,
    const struct submit_result *result, const char *why);
/* ev=cancel: it was not handed over. why is a literal. */
void journal_cancel(const struct journal_message *m, const char *why);

#endif
