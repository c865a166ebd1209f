/*
 * What a session needs of the configuration, copied. Sessions keep the one that
 * they began with.
 */
#ifndef AMPEL_POP3D_POLICY_H
#define AMPEL_POP3D_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "io/tls.h"
#include "mail/config.h"
#include "proto/pop3_server.h"

struct policy {
	size_t              holders;
	struct pop3_policy  pop3;
	struct tls_context *tls;
	uint64_t            handshake_timeout_ms;
	uint64_t            timeout_ms; /* of a client that does nothing */
	char                hostname[];
};

/* Held once. tls stays the caller's. NULL: no memory. */
struct policy *policy_new(const struct config *config, struct tls_context *tls);
struct policy *policy_hold(struct policy *p);
/* NULL is allowed. */
void           policy_drop(struct policy *p);

#endif
