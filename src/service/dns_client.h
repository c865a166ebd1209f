/*
 * Questions to ampel-dns. A question that is open when it dies, or that takes longer than
 * DNS_TIMEOUT_MS, is answered DNS_TRY_LATER. Answers never come from inside the
 * call that asks.
 */
#ifndef AMPEL_SERVICE_DNS_CLIENT_H
#define AMPEL_SERVICE_DNS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "proto/dns_record.h"
#include "proto/frame.h"
#include "proto/message.h"

enum { DNS_TIMEOUT_MS = 60 * 1000 };

struct dns_client;
struct dns_question;

struct dns_answer {
	enum dns_result     result;
	bool                is_secure; /* DNSSEC proves it */
	uint32_t            ttl_s;
	struct bytes        canonical; /* the end of the chain of CNAMEs; the name itself without one */
	uint32_t            n;
	struct frame_reader records;   /* of n records: frame_bytes each */
	struct bytes        text;      /* why there is no answer, for people */
};

struct dns_client *dns_client_new(uv_loop_t *loop);
void               dns_client_free(struct dns_client *c);
/* Takes the socket; replaces an older one. Questions asked without one wait for it. */
void               dns_client_connect(struct dns_client *c, int socket);

/* The answer's views live for the call. */
typedef void dns_answered(const struct dns_answer *answer, void *context);

/* NULL: no memory; act as on try later. */
struct dns_question *dns_ask(struct dns_client *c, struct bytes name,
    enum dns_type type, dns_answered *answered, void *context);
/* The asker is gone: the answer does not come. NULL is allowed. */
void                 dns_forget(struct dns_question *q);

#endif
