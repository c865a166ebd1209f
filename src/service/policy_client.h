/*
 * Questions to ampel-fetch: what has a domain published by MTA-STS? It knows, or finds out, and remembers for as long
 * as the policy says. A question that is open when it dies, or that takes longer than
 * POLICY_TIMEOUT_MS, is answered by what is certain then: nothing (STS_NONE). Answers
 * never come from inside the call that asks.
 */
#ifndef AMPEL_SERVICE_POLICY_CLIENT_H
#define AMPEL_SERVICE_POLICY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "proto/frame.h"
#include "proto/message.h"

enum { POLICY_TIMEOUT_MS = 75 * 1000 }; /* RFC 8461 section 3.3 gives a fetch one minute */

struct policy_client;
struct policy_question;

struct policy_answer {
	enum sts_mode       mode;
	uint32_t            n;
	struct frame_reader patterns; /* n of them: frame_bytes each; proto/mta_sts.h matches them */
	struct bytes        text;     /* why an announced policy is not to be had; for the log */
};

struct policy_client *policy_client_new(uv_loop_t *loop);
void                  policy_client_free(struct policy_client *c);
/* Takes the socket; replaces an older one. Questions asked without one wait for it. */
void                  policy_client_connect(struct policy_client *c, int socket);

/* The answer's views live for the call. */
typedef void policy_answered(const struct policy_answer *answer, void *context);

/* domain: of the recipients, lower case. NULL: no memory; act as on STS_NONE with a deferral. */
struct policy_question *policy_ask(struct policy_client *c, struct bytes domain,
    policy_answered *answered, void *context);
/* The asker is gone: the answer does not come. NULL is allowed. */
void                    policy_forget(struct policy_question *q);

#endif
