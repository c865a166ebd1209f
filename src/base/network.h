/*
 * Addresses of the Internet as text: networks in CIDR notation and the places
 * that one connects to or listens on.
 */
#ifndef AMPEL_BASE_NETWORK_H
#define AMPEL_BASE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* An IPv4 address is held as ::ffff:a.b.c.d, so one comparison serves both. */
struct network {
	uint8_t  address[16];
	unsigned bits; /* 0 to 128 */
};

/*
 * "10.0.0.0/8", "::1/128", "192.0.2.1" (all bits). Bits beyond the mask must be 0.
 * "0.0.0.0/0" is every IPv4 address, "::/0" is every address of both kinds.
 */
bool network_parse(struct bytes text, struct network *out);
/* A numeric address as bytes; IPv6 in brackets or without. */
bool network_parse_address(struct bytes text, uint8_t out[16]);
bool network_contains(const struct network *net, const uint8_t address[16]);
bool network_is_ipv4(const uint8_t address[16]);
/*
 * Whether it holds more than any organisation's own hosts. 10.0.0.0/8 and fc00::/7
 * are the widest that do not; an IPv6 network may also span all of IPv4.
 */
bool network_is_wide(const struct network *net);
/*
 * What counts as one client where clients are limited: an IPv4 address; of an IPv6
 * address the /64, for who has one of these addresses has them all, the rest 0.
 */
void network_client(const uint8_t address[16], uint8_t out[16]);

enum endpoint_kind { ENDPOINT_INET, ENDPOINT_INET6, ENDPOINT_UNIX };

struct endpoint {
	enum endpoint_kind kind;
	struct bytes       text;    /* as written */
	struct bytes       host;    /* numeric, without brackets; or the path */
	uint16_t           port;    /* 1 to 65535; 0 for a path */
};

/*
 * "127.0.0.1:25", "[::1]:25" or an absolute path that fits the address of a Unix
 * socket (107 bytes). Host names are not taken: what starts a mail server must not
 * wait for DNS. Borrows from text.
 */
bool endpoint_parse(struct bytes text, struct endpoint *out);

#endif
