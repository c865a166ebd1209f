#include "pop3d/policy.h"

#include <stdlib.h>
#include <string.h>

enum { HANDSHAKE_TIMEOUT_MS = 60 * 1000 };

struct policy *
policy_new(const struct config *config, struct tls_context *tls)
{
	struct bytes   hostname = config->hostname;
	struct policy *p = malloc(sizeof *p + hostname.n);

	if (p == NULL)
		return NULL;
	*p = (struct policy){
		.holders = 1,
		.pop3 = {
			.hostname = { p->hostname, hostname.n },
			.errors_max = config->errors,
		},
		.tls = tls_context_hold(tls),
		.handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS,
		.timeout_ms = config->pop3_timeout_ms,
	};
	memcpy(p->hostname, hostname.p, hostname.n);
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
