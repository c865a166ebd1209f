/*
 * Where mail for a domain goes, as the configuration has it: over a route, or to the hosts
 * that DNS names. Domains with the same one share connections.
 */
#ifndef AMPEL_REMOTE_ITINERARY_H
#define AMPEL_REMOTE_ITINERARY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "mail/config.h"
#include "mail/route.h"

enum { ITINERARY_HOPS_MAX = 16 };

struct itinerary {
	struct bytes          key;     /* the same for the same way */
	struct bytes          name;    /* for people */
	struct bytes          domain;  /* whose policy counts; empty: a route decides */
	struct hop            hops[ITINERARY_HOPS_MAX]; /* tried in order */
	size_t                n_hops;
	bool                  is_routed;
	enum config_route_tls tls;
	struct bytes          user;    /* empty: no AUTH */
	struct bytes          password; /* borrows from passwords: one secret, one copy */
	struct bytes          hostname; /* ours */
};

enum itinerary_result {
	ITINERARY_OK,
	ITINERARY_BAD_DOMAIN,  /* nothing that DNS could know */
	ITINERARY_NO_PASSWORD, /* the route has a user and we have no password for him */
	ITINERARY_NO_MEMORY,
};

/*
 * Of domain, in lower case. passwords: service/route_passwords.h. All but the password is
 * copied into arena.
 */
enum itinerary_result itinerary_of(const struct config *config,
    struct bytes passwords, struct bytes domain, struct arena *arena,
    struct itinerary *out);

#endif
