#include "service/limits.h"

#include <stdlib.h>
#include <string.h>

#include "base/mix.h"
#include "base/network.h"

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
	struct key key;

	network_client(address, key.bytes);
	return key;
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
