/*
 * Which hosts take mail for a domain, and in what order they are tried: RFC 5321
 * section 5.1, RFC 7505. What DNS says is somebody else's, so there is a bound to it all.
 */
#ifndef AMPEL_MAIL_EXCHANGE_H
#define AMPEL_MAIL_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
	EXCHANGE_HOSTS_MAX = 20,     /* tried in one attempt */
	EXCHANGE_ADDRESSES_MAX = 20, /* of all of them together */
};

/* One MX record; name in lower case, without the final dot, the root "." */
struct exchange {
	uint16_t     preference;
	struct bytes name;
};

enum exchange_result {
	EXCHANGE_OK,
	EXCHANGE_NONE, /* null MX: the domain takes no mail, 5.1.10 */
	EXCHANGE_LOOP, /* nobody is better than ourselves: 5.4.6 */
};

/*
 * Put the n (> 0) records in the order of trying, those of one preference in random order, and
 * cut *n: no name comes twice, we are not among them, nor is who is no better than
 * hostname, our own name. A domain without MX records is its own: { 0, domain }. Records of
 * the root beside others are ignored.
 */
enum exchange_result exchange_order(struct exchange *v, size_t *n,
    struct bytes hostname, uint64_t random);

/*
 * Put the n addresses of one host (16 bytes, base/network.h) in the order of trying: IPv6 and IPv4
 * take turns, each kind in random order; returns how many of them are left, at most max.
 */
size_t exchange_order_addresses(
    uint8_t (*v)[16], size_t n, size_t max, uint64_t random);

#endif
