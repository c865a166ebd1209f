/*
 * What a session needs of the configuration, copied. Sessions keep the one that
 * they began with.
 */
#ifndef AMPEL_SMTPD_POLICY_H
#define AMPEL_SMTPD_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "io/tls.h"
#include "mail/config.h"
#include "proto/smtp_server.h"

struct policy {
	size_t              holders;
	struct smtp_policy  smtp;
	struct tls_context *tls; /* NULL: there is no TLS */
	uint64_t            handshake_timeout_ms;
	uint64_t            command_timeout_ms;
	uint64_t            data_timeout_ms;
	uint64_t            session_timeout_ms;
	uint64_t            commit_timeout_ms;
	char                strings[]; /* of smtp */
};

/*
 * Held once. tls may be NULL, and stays the caller's; listener is one that is offered.
 * NULL: no memory.
 */
struct policy *policy_new(const struct config *config, struct bytes listener,
    struct tls_context *tls);
struct policy *policy_hold(struct policy *p);
/* NULL is allowed. */
void           policy_drop(struct policy *p);

#endif
