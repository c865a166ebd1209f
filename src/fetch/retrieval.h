/*
 * The policy of one domain on its way from the web server that the domain names for it
 * (RFC 8461 section 3.3): the server's addresses, then the text. So many at once, the others
 * wait for their turn.
 */
#ifndef AMPEL_FETCH_RETRIEVAL_H
#define AMPEL_FETCH_RETRIEVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/bytes.h"
#include "service/dns_client.h"

enum {
	RETRIEVALS_MAX = 20,
	RETRIEVALS_WAITING_MAX = 500,
};

struct retrieval;

/* Those that are under way, and those that wait. Zeroed and filled in up to the line. */
struct retrievals {
	uv_loop_t         *loop;
	struct dns_client *dns;
	struct bytes       authorities; /* PEM */
	/* ---- */
	struct retrieval  *first, *last; /* in the order they came */
	size_t             n, n_running;
};

/* text: of the policy, unread; or why there is none. Both live for the call. */
typedef void retrieved(struct bytes text, const char *why, void *context);

/*
 * domain: lower case, a name of hosts. The end never comes from inside this call, always at
 * last. NULL: too many wait, or no memory.
 */
struct retrieval *retrieval_start(struct retrievals *all, struct bytes domain,
    retrieved *ended, void *context);
/* Nobody is told any more. */
void              retrievals_cancel(struct retrievals *all);

#endif
