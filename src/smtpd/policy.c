#include "smtpd/policy.h"

#include <stdlib.h>

enum { NAMES_MAX = 4096 };

/* Beyond the filters' own deadline: what waits for the queue, and the way there. */
enum { COMMIT_SLACK_MS = 30 * 1000 };

static size_t
size_of(uint64_t n)
{
	return n < SIZE_MAX ? (size_t)n : SIZE_MAX;
}

struct policy *
policy_new(const struct config *c, struct bytes listener)
{
	struct policy *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	arena_init(&p->arena, NAMES_MAX);
	p->references = 1;
	p->smtp = (struct smtp_policy){
		.hostname = arena_copy(&p->arena, c->hostname),
		.listener = arena_copy(&p->arena, listener),
		.size_max = c->message_size,
		.recipients_max = size_of(c->recipients),
		.errors_max = size_of(c->errors),
		.hops_max = size_of(c->hops),
		.bounce_single_recipient = c->bounce_single_recipient,
		.refuse_relay_probes = c->refuse_relay_probes,
	};
	p->sessions_max = c->sessions;
	p->sessions_per_address_max = c->sessions_per_address;
	p->message_memory = c->message_memory;
	p->command_timeout_ms = c->command_timeout_ms;
	p->data_timeout_ms = c->data_timeout_ms;
	p->session_timeout_ms = c->session_timeout_ms;
	p->commit_timeout_ms = c->filter_deadline_ms + COMMIT_SLACK_MS;
	if (p->smtp.hostname.p == NULL || p->smtp.listener.p == NULL) {
		policy_release(p);
		return NULL;
	}
	return p;
}

struct policy *
policy_hold(struct policy *p)
{
	p->references++;
	return p;
}

void
policy_release(struct policy *p)
{
	if (p == NULL || --p->references > 0)
		return;
	arena_finish(&p->arena);
	free(p);
}
