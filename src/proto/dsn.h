/*
 * Delivery status notifications: the message that tells a sender what became of his
 * own (RFC 3461 section 6, RFC 3464), for people first, for machines second, then the
 * header section of the original, or all of it when that is small and something failed.
 *
 * Nothing that another server said can become a header field or a boundary: texts are one
 * line of printable ASCII, folded; the boundary is the id of the notification, and more
 * when that happens to be in one of the parts. Every input is bounded here once more.
 */
#ifndef AMPEL_PROTO_DSN_H
#define AMPEL_PROTO_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/envelope.h"
#include "mail/id.h"
#include "mail/outcome.h"

enum {
	DSN_WHOLE_MAX = 50 * 1024,   /* an original up to that size goes back whole, unless RET=HDRS */
	DSN_HEADER_MAX = 64 * 1024,  /* of a header section that goes back */
	DSN_RECIPIENTS_MAX = 100,    /* of one notification; of more it only says how many */
	DSN_SIZE_MAX = 1024 * 1024,  /* no notification is larger */
};

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_recipient {
	enum dsn_action action;
	struct bytes    address;     /* Final-Recipient */
	struct bytes    orcpt;       /* "rfc822;a@b", decoded; empty: none */
	struct outcome  outcome;     /* host: Remote-MTA; text, when is_reply: Diagnostic-Code */
	uint64_t        last_attempt_ms;
	uint64_t        will_retry_until_ms; /* DELAYED */
};

struct dsn {
	struct id         id;          /* of the notification */
	uint64_t          now_ms;
	struct bytes      hostname;    /* Reporting-MTA, and the domain of From: */
	struct bytes      to;          /* the reverse-path of the original; of a double bounce, who gets that */
	bool              is_double;   /* the original is itself a notification that nobody could be given */
	struct bytes      reverse_path; /* of the original; differs from to for a double bounce */
	struct id         original_id;
	uint64_t          arrival_ms;  /* of the original */
	struct bytes      envid;       /* decoded; empty: none */
	enum envelope_ret ret;
	bool              smtputf8;    /* the original needs it: message/global (RFC 6533). Without
	                                * it, bytes above 127 in addresses become "?" */
	const struct dsn_recipient *recipients; /* one at least */
	size_t                      n_recipients;
	/*
	 * The original as stored (LF), at least its first DSN_HEADER_MAX bytes, and whole
	 * when it is not larger than DSN_WHOLE_MAX.
	 */
	struct bytes      original;
	uint64_t          original_size;
};

/*
 * The whole notification as it is stored: LF line ends, without Return-Path and Received.
 * It has no NUL, no CR and no line of more than 998 bytes. With smtputf8 it may have bytes
 * above 127 in its own header section, exactly when `to` has some.
 */
void dsn_add(struct buf *b, const struct dsn *d);

/* Whether the header section says that no person waits for a warning: Auto-Submitted other than "no", a
 * list (List-Id), Precedence bulk, junk or list. */
bool dsn_is_unattended(struct bytes header);

/* RFC 3461 section 4.1: whether that NOTIFY wants to hear of that action; UNSET: of failures and delays. */
bool dsn_is_wanted(uint8_t notify, enum dsn_action action);

#endif
