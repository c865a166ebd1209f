/*
 * What DNS and policies say of a destination: first its hosts, then, when it comes to
 * them, the addresses and TLSA records of each.
 */
#ifndef AMPEL_REMOTE_RESOLVE_H
#define AMPEL_REMOTE_RESOLVE_H

#include "remote/plan.h"
#include "service/dns_client.h"
#include "service/policy_client.h"

struct resolver {
	struct dns_client    *dns;
	struct policy_client *policies;
};

struct resolving;

/* It is found out. Never from inside the call that asks. */
typedef void resolved(void *context);

/*
 * Fill the plan with hosts, or fail it. What is passed lives until done or forgotten. NULL:
 * nothing had to be asked, it is done.
 */
struct resolving *resolve_hosts(const struct resolver *r,
    const struct itinerary *to, struct plan *plan, resolved *done, void *context);
/* The same for one HOST_NEW of the plan, which becomes HOST_KNOWN; what fails is noted in the plan. */
struct resolving *resolve_addresses(const struct resolver *r,
    const struct itinerary *to, struct plan *plan, struct host *host,
    resolved *done, void *context);
/* Done does not come. NULL is allowed. */
void resolve_forget(struct resolving *q);

#endif
