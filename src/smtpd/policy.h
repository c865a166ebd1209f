/*
 * What a listener allows, from one configuration. A session keeps the policy that it
 * began with: a reload changes nothing under a client in the middle of a message.
 */
#ifndef AMPEL_SMTPD_POLICY_H
#define AMPEL_SMTPD_POLICY_H

#include <stdint.h>

#include "base/arena.h"
#include "mail/config.h"
#include "proto/smtp_server.h"

struct policy {
	struct smtp_policy smtp;
	uint64_t           sessions_max;
	uint64_t           sessions_per_address_max;
	uint64_t           message_memory; /* bytes in memory files, of this process */
	uint64_t           command_timeout_ms;
	uint64_t           data_timeout_ms;
	uint64_t           session_timeout_ms;
	uint64_t           commit_timeout_ms;
	struct arena       arena;      /* the names in smtp */
	unsigned           references; /* private */
};

/* With one reference. NULL: no memory. */
struct policy *policy_new(const struct config *config, struct bytes listener);
struct policy *policy_hold(struct policy *policy);
/* NULL is allowed. */
void           policy_release(struct policy *policy);

#endif
