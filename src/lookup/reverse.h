/*
 * What an address is called: names that its PTR records have, confirmed by that one of their
 * own addresses is this one; anybody can write any name into the other zone.
 */
#ifndef AMPEL_LOOKUP_REVERSE_H
#define AMPEL_LOOKUP_REVERSE_H

#include <uv.h>

#include "base/bytes.h"
#include "service/dns_client.h"

enum {
	REVERSE_TIMEOUT_MS = 10 * 1000,
	REVERSE_NAMES_MAX = 5, /* that are looked at */
};

struct reverse_question;

/* name: in lower case, without a final dot; empty: there is none, or no answer in time. */
typedef void reverse_known(struct bytes name, void *context);

/* The answer does not come from inside the call. NULL: no memory; act as on an empty name. */
struct reverse_question *reverse_ask(uv_loop_t *loop, struct dns_client *dns,
    const uint8_t address[16], reverse_known *known, void *context);
/* The answer does not come. NULL is allowed. */
void reverse_forget(struct reverse_question *q);

/* "1.2.0.192.in-addr.arpa", RFC 1035 section 3.5, or below ip6.arpa, RFC 3596 section 2.5. */
enum { REVERSE_ZONE_MAX = 80 };
void reverse_zone(const uint8_t address[16], char out[REVERSE_ZONE_MAX]);

#endif
