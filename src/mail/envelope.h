/*
 * What SMTP says of a message beside its content (RFC 5321 section 2.3.1), and
 * what we found out while it came in. Whole from here on: the frames between
 * processes and the queue's schema follow it, fields without a user included.
 *
 * Every view belongs to the arena of whoever made the envelope.
 */
#ifndef AMPEL_MAIL_ENVELOPE_H
#define AMPEL_MAIL_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "mail/id.h"
#include "mail/verdict.h"

/* RFC 3461 section 4.1: what a recipient's NOTIFY asks for, bits. */
enum {
	NOTIFY_UNSET = 0,
	NOTIFY_NEVER = 1,
	NOTIFY_SUCCESS = 2,
	NOTIFY_FAILURE = 4,
	NOTIFY_DELAY = 8,
};

/* RFC 3461 section 4.3. */
enum envelope_ret { RET_UNSET, RET_FULL, RET_HDRS };

/* RFC 6152, RFC 3030. */
enum envelope_body { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };

struct envelope_recipient {
	struct bytes address;  /* where it goes now; canonical form */
	struct bytes original; /* as the client wrote it in RCPT */
	struct bytes orcpt;    /* RFC 3461, "rfc822;a@b", decoded; empty: none */
	uint8_t      notify;   /* NOTIFY_ bits */
};

struct envelope {
	struct id            id;
	uint64_t             arrival_ms;   /* since 1970 */
	struct bytes         reverse_path; /* empty: the null reverse-path */
	enum envelope_ret    ret;
	struct bytes         envid;
	enum envelope_body   body;
	bool                 smtputf8;
	struct bytes         user;         /* who authenticated, or a local account; empty: nobody */
	struct bytes         listener;     /* name of the listen block, or "local" */
	struct bytes         peer_address; /* numeric, without port or brackets; or "local" */
	struct bytes         peer_name;    /* verified reverse name; empty: none */
	struct bytes         helo;
	bool                 esmtp;        /* EHLO was used */
	struct bytes         tls;          /* version and cipher; empty: none */
	uint64_t             size_bytes;   /* of the stored message */
	struct verdict       verdict;

	struct envelope_recipient *recipients;
	size_t                     n_recipients;
};

#endif
