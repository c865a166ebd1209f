#include "smtpd/policy.h"

#include <stdlib.h>
#include <string.h>

enum {
	/* Whoever filters answers in time by himself; this is for one that hangs. */
	COMMIT_GRACE_MS = 30 * 1000,
	HANDSHAKE_TIMEOUT_MAX_MS = 60 * 1000,
};

static struct bytes
copy(char **at, struct bytes string)
{
	struct bytes result = { *at, string.n };

	if (string.n > 0)
		memcpy(*at, string.p, string.n);
	*at += string.n;
	return result;
}

static uint64_t
smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

struct policy *
policy_new(const struct config *config, struct bytes listener,
    struct tls_context *tls)
{
	const struct listener_policy *of = listener_policy(listener);
	struct policy *p = malloc(sizeof *p + config->hostname.n + listener.n);
	char          *at;

	if (p == NULL)
		return NULL;
	at = p->strings;
	*p = (struct policy){
		.holders = 1,
		.tls = tls ? tls_context_hold(tls) : NULL,
		.handshake_timeout_ms =
		    smaller(config->command_timeout_ms, HANDSHAKE_TIMEOUT_MAX_MS),
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
		.tls = tls ? of->tls : LISTENER_CLEAR,
		.auth = of->auth,
		.any_sender = config->any_sender,
		.hide_client = config->hide_client,
		.is_local = of->is_local,
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
	if (p == NULL || --p->holders > 0)
		return;
	tls_context_drop(p->tls);
	free(p);
}
