/*
 * How many sessions there are, in all and from each address. The networks of
 * IPv6 customers are /64, so that many count as one address.
 */
#ifndef AMPEL_SERVICE_LIMITS_H
#define AMPEL_SERVICE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

enum { LIMITS_BUCKETS = 4096 };

struct limits_entry;

/* Addresses without a session take no memory. */
struct limits {
	size_t               max, max_per_address;
	size_t               n;
	uint64_t             seed; /* no stranger chooses who shares a bucket */
	struct limits_entry *buckets[LIMITS_BUCKETS];
};

enum limits_result {
	LIMITS_ENTERED,
	LIMITS_TOO_MANY,         /* in all, or no memory */
	LIMITS_TOO_MANY_OF_THEM, /* from that address */
};

void limits_init(struct limits *l, uint64_t seed);
void limits_finish(struct limits *l);
/* Lower ones than there are sessions end none. */
void limits_set(struct limits *l, size_t max, size_t max_per_address);

/* address as network_parse_address makes it. Each LIMITS_ENTERED needs its leave. */
enum limits_result limits_enter(struct limits *l, const uint8_t address[16]);
void               limits_leave(struct limits *l, const uint8_t address[16]);

#endif
