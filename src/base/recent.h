/*
 * A hash table that remembers at most so many keys: when it is full, the one that was
 * touched longest ago is forgotten. Keys may be a stranger's choice: the hash has a secret.
 * What is remembered begins with a struct recent_entry.
 */
#ifndef AMPEL_BASE_RECENT_H
#define AMPEL_BASE_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECENT_KEY_WORDS = 6 };

/* 48 bytes, unused ones 0. */
struct recent_key {
	uint64_t words[RECENT_KEY_WORDS];
};

struct recent_entry {
	struct recent_entry *next; /* in its bucket */
	struct recent_entry *newer, *older;
	struct recent_key    key;
	size_t               held; /* while it is not 0, it is not forgotten */
};

/* Zeroed, recent_finish may be called. */
struct recent {
	struct recent_entry **buckets;
	size_t                n_buckets; /* a power of 2 */
	struct recent_entry  *newest, *oldest;
	size_t                n, max;
	size_t                entry_size;
	uint64_t              seed;
};

/* entry_size: of the caller's struct. False: no memory. */
bool recent_init(struct recent *r, size_t max, size_t entry_size, uint64_t seed);
void recent_finish(struct recent *r);

/* The entry of that key, a new one zeroed; touched. NULL: no memory, or all are held. */
struct recent_entry *recent_touch(struct recent *r, const struct recent_key *key);
/* NULL when the key is not there. */
struct recent_entry *recent_find(struct recent *r, const struct recent_key *key);
void                 recent_remove(struct recent *r, struct recent_entry *entry);

#endif
