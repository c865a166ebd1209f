#include "service/limits.h"

#include <stdlib.h>
#include <string.h>

#include "base/network.h"

enum { NETWORK_BYTES = 8 }; /* of an IPv6 address: a /64 */

struct key {
	uint8_t bytes[16];
};

struct limits_entry {
	struct limits_entry *next;
	struct key           key;
	size_t               n;
};

static struct key
key_of(const uint8_t address[16])
{
	struct key key = { { 0 } };

	memcpy(key.bytes, address,
	    network_is_ipv4(address) ? sizeof key.bytes : NETWORK_BYTES);
	return key;
}

/* The finalizer of MurmurHash3, public domain: every bit moves every other. */
static uint64_t
mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccd;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53;
	return x ^ x >> 33;
}

/* Where the entry of that key is linked, or would be. */
static struct limits_entry **
find(struct limits *l, const struct key *key)
{
	struct limits_entry **at;
	uint64_t              half[2];

	memcpy(half, key->bytes, sizeof half);
	at = &l->buckets[mix(mix(l->seed ^ half[0]) ^ half[1]) % LIMITS_BUCKETS];
	while (*at && memcmp(&(*at)->key, key, sizeof *key) != 0)
		at = &(*at)->next;
	return at;
}

void
limits_init(struct limits *l, uint64_t seed)
{
	*l = (struct limits){ .seed = seed };
}

void
limits_finish(struct limits *l)
{
	for (size_t i = 0; i < LIMITS_BUCKETS; i++)
		while (l->buckets[i]) {
			struct limits_entry *e = l->buckets[i];

			l->buckets[i] = e->next;
			free(e);
		}
	l->n = 0;
}

void
limits_set(struct limits *l, size_t max, size_t max_per_address)
{
	l->max = max;
	l->max_per_address = max_per_address;
}

enum limits_result
limits_enter(struct limits *l, const uint8_t address[16])
{
	struct key            key = key_of(address);
	struct limits_entry **at = find(l, &key);

	if (l->n >= l->max)
		return LIMITS_TOO_MANY;
	if (*at == NULL) {
		*at = calloc(1, sizeof **at);
		if (*at == NULL)
			return LIMITS_TOO_MANY;
		(*at)->key = key;
	}
	if ((*at)->n >= l->max_per_address)
		return LIMITS_TOO_MANY_OF_THEM;
	(*at)->n++;
	l->n++;
	return LIMITS_ENTERED;
}

void
limits_leave(struct limits *l, const uint8_t address[16])
{
	struct key            key = key_of(address);
	struct limits_entry **at = find(l, &key);
	struct limits_entry  *e = *at;

	if (e == NULL)
		return;
	l->n--;
	if (--e->n > 0)
		return;
	*at = e->next;
	free(e);
}
