#include "smtpd/policy.h"

#include <stdlib.h>
#include <string.h>

/* Whoever filters answers in time by himself; this is for one that hangs. */
enum { COMMIT_GRACE_MS = 30 * 1000 };

static struct bytes
copy(char **at, struct bytes string)
{
	struct bytes result = { *at, string.n };

	if (string.n > 0)
		memcpy(*at, string.p, string.n);
	*at += string.n;
	return result;
}

struct policy *
policy_new(const struct config *config, struct bytes listener)
{
	struct policy *p = malloc(sizeof *p + config->hostname.n + listener.n);
	char          *at;

	if (p == NULL)
		return NULL;
	at = p->strings;
	*p = (struct policy){
		.holders = 1,
		.command_timeout_ms = config->command_timeout_ms,
		.data_timeout_ms = config->data_timeout_ms,
		.session_timeout_ms = config->session_timeout_ms,
		.commit_timeout_ms = config->filter_deadline_ms + COMMIT_GRACE_MS,
	};
	p->smtp = (struct smtp_policy){
		.hostname = copy(&at, config->hostname),
		.listener = copy(&at, listener),
		.size_max = config->message_size,
		.recipients_max = config->recipients,
		.errors_max = config->errors,
		.hops_max = config->hops,
		.bounce_single_recipient = config->bounce_single_recipient,
		.refuse_relay_probes = config->refuse_relay_probes,
	};
	return p;
}

struct policy *
policy_hold(struct policy *p)
{
	p->holders++;
	return p;
}

void
policy_drop(struct policy *p)
{
	if (p && --p->holders == 0)
		free(p);
}
