/*
 * The names that a listener may have, and the policy that goes with each: the table of
 * DESIGN section 1.
 */
#ifndef AMPEL_MAIL_LISTENER_H
#define AMPEL_MAIL_LISTENER_H

#include <stdbool.h>

#include "base/bytes.h"
#include "mail/mistakes.h"

struct arena;

enum listener_state {
	LISTENER_UNKNOWN,
	LISTENER_OFFERED,
	LISTENER_REFUSED, /* never */
};

enum listener_protocol { LISTENER_SMTP, LISTENER_POP3 };

enum listener_tls {
	LISTENER_CLEAR,             /* no TLS at all: within this host */
	LISTENER_STARTTLS,          /* offered */
	LISTENER_STARTTLS_REQUIRED, /* before anything that matters */
	LISTENER_TLS,               /* from the first byte on */
};

struct listener_policy {
	enum listener_protocol protocol;
	enum listener_tls      tls;
	/* AUTH is required, and offered under TLS; without it there is none, in no state. */
	bool                   auth;
	/* A Unix socket: the peer's account is known, and believed. */
	bool                   is_local;
};

enum listener_state listener_find(struct bytes name);

/* NULL unless the name is offered. */
const struct listener_policy *listener_policy(struct bytes name);

/* Why a name that is not offered cannot stand there. */
void listener_add_mistake(struct bytes name, unsigned line, struct arena *arena,
    struct mistakes *mistakes);

#endif
