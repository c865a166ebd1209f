#include "base/recent.h"

#include <stdlib.h>
#include <string.h>

#include "base/mix.h"

enum { FIRST_BUCKETS = 64 };

bool
recent_init(struct recent *r, size_t max, size_t entry_size, uint64_t seed)
{
	*r = (struct recent){ .max = max, .entry_size = entry_size, .seed = seed };
	r->n_buckets = FIRST_BUCKETS;
	while (r->n_buckets < max)
		r->n_buckets *= 2;
	r->buckets = calloc(r->n_buckets, sizeof(struct recent_entry *));
	return r->buckets != NULL;
}

void
recent_finish(struct recent *r)
{
	while (r->newest)
		recent_remove(r, r->newest);
	free(r->buckets);
	*r = (struct recent){ 0 };
}

/* Where the entry of that key is linked, or would be. */
static struct recent_entry **
place(struct recent *r, const struct recent_key *key)
{
	uint64_t              hash = r->seed;
	struct recent_entry **at;

	for (size_t i = 0; i < RECENT_KEY_WORDS; i++)
		hash = mix(hash ^ key->words[i]) + r->seed;
	at = &r->buckets[mix(hash) & (r->n_buckets - 1)];
	while (*at && memcmp(&(*at)->key, key, sizeof *key) != 0)
		at = &(*at)->next;
	return at;
}

static void
unlink_age(struct recent *r, struct recent_entry *entry)
{
	*(entry->newer ? &entry->newer->older : &r->newest) = entry->older;
	*(entry->older ? &entry->older->newer : &r->oldest) = entry->newer;
}

static void
link_newest(struct recent *r, struct recent_entry *entry)
{
	entry->newer = NULL;
	entry->older = r->newest;
	*(r->newest ? &r->newest->newer : &r->oldest) = entry;
	r->newest = entry;
}

struct recent_entry *
recent_find(struct recent *r, const struct recent_key *key)
{
	return *place(r, key);
}

void
recent_remove(struct recent *r, struct recent_entry *entry)
{
	*place(r, &entry->key) = entry->next;
	unlink_age(r, entry);
	free(entry);
	r->n--;
}

/* False: all are held. */
static bool
make_room(struct recent *r)
{
	struct recent_entry *entry = r->oldest;

	if (r->n < r->max)
		return true;
	while (entry && entry->held > 0)
		entry = entry->newer;
	if (entry == NULL)
		return false;
	recent_remove(r, entry);
	return true;
}

static struct recent_entry *
add(struct recent *r, const struct recent_key *key)
{
	struct recent_entry **at, *entry;

	if (!make_room(r))
		return NULL;
	entry = calloc(1, r->entry_size);
	if (entry == NULL)
		return NULL;
	entry->key = *key;
	at = place(r, key);
	*at = entry;
	link_newest(r, entry);
	r->n++;
	return entry;
}

struct recent_entry *
recent_touch(struct recent *r, const struct recent_key *key)
{
	struct recent_entry *entry = recent_find(r, key);

	if (entry == NULL)
		return add(r, key);
	unlink_age(r, entry);
	link_newest(r, entry);
	return entry;
}
