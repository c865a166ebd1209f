/*
 * Where mail for other domains goes: the routes of the configuration, in the order of
 * the classic smtproutes.
 */
#ifndef AMPEL_MAIL_ROUTE_H
#define AMPEL_MAIL_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct config;
struct config_route;

/* A place to send to. */
struct hop {
	struct bytes host;      /* a name, or a numeric address; without brackets */
	bool         is_exact;  /* its own addresses: no MX is looked for */
	bool         is_address; /* host is numeric */
	uint16_t     port;      /* 25 unless written */
};

/*
 * "host", "host:port", "[host]", "[host]:port", "[192.0.2.1]", "[IPv6:2001:db8::1]:25",
 * "[2001:db8::1]". An address literal of RFC 5321 section 4.1.3 is one too. Borrows.
 */
bool hop_parse(struct bytes text, struct hop *out);

/* "example.net", ".example.net", "*", or an address literal. */
bool route_domain_is_valid(struct bytes domain);

/*
 * The one for that domain (lower case): its own, else that of the longest ".suffix",
 * else "*". NULL: none, DNS says.
 */
const struct config_route *route_find(
    const struct config *config, struct bytes domain);

#endif
