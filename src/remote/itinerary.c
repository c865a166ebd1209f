#include "remote/itinerary.h"

#include "base/buf.h"
#include "service/route_passwords.h"

enum { KEY_MAX = 8 * 1024 };

/* A domain name, or an address literal: with a port it is neither. */
static bool
is_domain(const struct hop *hop, struct bytes domain)
{
	bool is_literal = domain.n > 0 && domain.p[0] == '[';
	char last = domain.p[domain.n - 1];

	return hop->is_address == is_literal &&
	    (is_literal ? last == ']' : bytes_find(domain, ':') == domain.n);
}

/* A route may say nothing but how connections are protected. */
static bool
names_hosts(const struct config_route *route)
{
	return route && route->to.n > 0 && route->to.v[0].n > 0;
}

static bool
add_hop(struct itinerary *to, struct bytes text, struct arena *arena)
{
	struct bytes copy = arena_copy(arena, text);

	return copy.p && to->n_hops < ITINERARY_HOPS_MAX &&
	    hop_parse(copy, &to->hops[to->n_hops++]);
}

static enum itinerary_result
add_hops(struct itinerary *to, const struct config_route *route,
    struct bytes domain, struct arena *arena)
{
	if (!names_hosts(route)) {
		to->domain = arena_copy(arena, domain);
		to->name = to->domain;
		return add_hop(to, domain, arena) &&
		        is_domain(&to->hops[0], domain)
		    ? ITINERARY_OK : ITINERARY_BAD_DOMAIN;
	}
	to->is_routed = true;
	to->name = arena_copy(arena, route->to.v[0]);
	for (size_t i = 0; i < route->to.n && i < ITINERARY_HOPS_MAX; i++)
		if (!add_hop(to, route->to.v[i], arena))
			return ITINERARY_BAD_DOMAIN;
	return ITINERARY_OK;
}

static void
set_key(struct itinerary *to, const struct config_route *route,
    struct arena *arena)
{
	struct buf b;

	buf_init(&b, KEY_MAX);
	buf_addf(&b, "%d %.*s", (int)to->tls, BYTES_ARG(to->domain));
	for (size_t i = 0; to->is_routed && i < route->to.n; i++)
		buf_addf(&b, " %.*s", BYTES_ARG(route->to.v[i]));
	buf_addf(&b, " %.*s", BYTES_ARG(to->user));
	to->key = b.failed ? (struct bytes){ NULL, 0 }
	                   : arena_copy(arena, buf_bytes(&b));
	buf_finish(&b);
}

enum itinerary_result
itinerary_of(const struct config *config, struct bytes passwords,
    struct bytes domain, struct arena *arena, struct itinerary *out)
{
	const struct config_route *route = route_find(config, domain);
	enum itinerary_result      result;

	*out = (struct itinerary){ .tls = ROUTE_TLS_MAY };
	out->hostname = arena_copy(arena, config->hostname);
	if (route) {
		out->tls = route->tls;
		out->user = arena_copy(arena, route->user);
		out->password = route_passwords_find(passwords, route->domain);
		if (route->user.n > 0 && out->password.n == 0)
			return ITINERARY_NO_PASSWORD;
	}
	result = add_hops(out, route, domain, arena);
	if (result != ITINERARY_OK)
		return result;
	set_key(out, route, arena);
	return out->key.p && out->hostname.p && out->name.p ? ITINERARY_OK
	                                                    : ITINERARY_NO_MEMORY;
}
