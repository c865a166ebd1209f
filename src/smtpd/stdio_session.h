/* The session on descriptors 0 and 1: a blocking driver of the SMTP engine. */
#ifndef AMPEL_SMTPD_STDIO_SESSION_H
#define AMPEL_SMTPD_STDIO_SESSION_H

#include <stdint.h>

#include "proto/smtp_server.h"
#include "service/checker.h"
#include "smtpd/message.h"
#include "smtpd/stdio_peer.h"
#include "smtpd/stdio_queue.h"
#include "smtpd/stdio_recipients.h"

struct stdio_session {
	/* Set by who makes it. */
	struct smtp_policy      policy;
	struct stdio_peer       peer;
	struct stdio_recipients recipients;
	struct stdio_queue      queue;
	struct checker          checker;
	struct message_memory   memory;
	uint64_t                timeout_ms;         /* for a command, and for a block of data */
	uint64_t                session_timeout_ms;

	/* Private. */
	struct smtp_server      smtp;
	struct message          message;
	uint64_t                deadline_ms, end_ms;
	unsigned                n_refusals;
	unsigned                n_wrong; /* passwords */
};

/* From the greeting to its end. */
void stdio_session_run(struct stdio_session *s);

#endif
