/*
 * The domains that have recipients in the window (queue/window.h): how many of each
 * may be leased in this round, and which recipient of all that may go is due first.
 * Those at their limit cost nothing more than being skipped once a round, however
 * many recipients they have.
 */
#ifndef AMPEL_QUEUE_DESTINATIONS_H
#define AMPEL_QUEUE_DESTINATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "queue/store.h"

struct window_entry;

struct destination {
	struct destination  *next;        /* in its bucket */
	struct window_entry *first, *last; /* not leased, in the order of keys */
	size_t               n;           /* of those */
	/* When the oldest is due that the window let go; UINT64_MAX: none. */
	uint64_t             missing_ms;
	size_t               users;       /* it goes with the last one */
	size_t               place;       /* in the heap, from 1; 0: not there */
	struct destination  *next_kept;
	bool                 is_kept, is_aside;
	uint64_t             round;       /* left was set in this one */
	size_t               left;
	uint64_t             hash;
	struct bytes         name;
	char                 text[];
};

struct destinations {
	struct destination **buckets;     /* n_buckets, a power of two */
	size_t               n_buckets;
	struct destination **heap;        /* with recipients; the oldest first of all */
	size_t               n;
	struct destination  *kept;        /* until the end of the round */
	uint64_t             seed;        /* senders choose the names */
	uint64_t             round;
	const struct store_want *want;    /* in force; NULL: none */
};

/* At most max recipients will be in. False: no memory; finish is calm then. */
bool destinations_init(struct destinations *all, size_t max, uint64_t seed);
/* Every one must be unused. */
void destinations_finish(struct destinations *all);

/* The part of an address that limits count: the domain. */
struct bytes destination_of(struct bytes address);
/* The one of that name, for one more user. NULL: no memory. */
struct destination *destination_use(
    struct destinations *all, struct bytes name);
void destination_unuse(struct destinations *all, struct destination *d);

/* A new round, with the limits of want, which stays; or NULL: it is over. */
void destinations_limit(
    struct destinations *all, const struct store_want *want);
bool destination_allows(struct destinations *all, struct destination *d);
/* One of its recipients is leased. */
void destination_count(struct destination *d);

/* Its recipient may be leased; or not any more. */
void destination_add(struct destinations *all, struct window_entry *e);
void destination_remove(struct destinations *all, struct window_entry *e);

/* The oldest recipient of a destination that allows one more. NULL: none. */
struct window_entry *destinations_first(struct destinations *all);

#endif
