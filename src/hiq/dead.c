#include "hiq/dead.h"

#include <stddef.h>
#include <string.h>

enum { PLACES = 32, ADDRESS_MAX = 128 };

struct place {
	uint64_t until_ms; /* 0: free */
	size_t   n;
	char     address[ADDRESS_MAX];
};

/* A few addresses for the whole process; the one that ends first makes room. */
static struct place places[PLACES];

static struct place *
find(struct bytes address)
{
	for (size_t i = 0; i < PLACES; i++)
		if (places[i].until_ms > 0 &&
		    bytes_equal(address,
		        (struct bytes){ places[i].address, places[i].n }))
			return &places[i];
	return NULL;
}

static struct place *
oldest(void)
{
	struct place *found = &places[0];

	for (size_t i = 1; i < PLACES; i++)
		if (places[i].until_ms < found->until_ms)
			found = &places[i];
	return found;
}

void
dead_note(struct bytes address, uint64_t now_ms)
{
	struct place *place = find(address);

	if (address.n > ADDRESS_MAX)
		return;
	if (place == NULL) {
		place = oldest();
		place->n = address.n;
		memcpy(place->address, address.p, address.n);
	}
	place->until_ms = now_ms + DEAD_FOR_MS;
}

void
dead_forget(struct bytes address)
{
	struct place *place = find(address);

	if (place)
		place->until_ms = 0;
}

bool
dead_is(struct bytes address, uint64_t now_ms)
{
	const struct place *place = find(address);

	return place && place->until_ms > now_ms;
}
