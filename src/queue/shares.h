/*
 * How many recipients of a destination (the domain of an address) may be leased at once,
 * so that one that is slow or dead leaves room for all others. A destination begins at
 * a base, grows with what it takes and shrinks with what it defers. Our own domains are
 * limited only so far that a delivery that hangs leaves room for what goes elsewhere.
 *
 * What is at its base and has nothing leased is forgotten.
 */
#ifndef AMPEL_QUEUE_SHARES_H
#define AMPEL_QUEUE_SHARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "mail/outcome.h"
#include "queue/store.h"

enum {
	SHARE_BASE = 64,      /* of a destination that nothing is known of */
	SHARE_MIN = 20,
	SHARE_MAX = 1500,
	SHARES_OURS = 3000,   /* leased at once for all of our own together */
	SHARES_OTHERS = 2500, /* and for all others */
	SHARES_KEPT = 8192,   /* that are remembered, beside our own */
};

struct share {
	struct share *next;    /* in its bucket */
	struct bytes  name;    /* lower case */
	uint64_t      hash;
	bool          is_ours;
	size_t        leased;
	size_t        limit;
	size_t        taken;   /* since the limit changed */
	size_t        ignored; /* answers to what was leased under an older limit */
	char          text[];
};

enum { SHARES_BUCKETS = 4096 };

struct shares {
	struct share *buckets[SHARES_BUCKETS];
	uint64_t      seed; /* senders choose the names */
	size_t        n;    /* beside our own */
	size_t        leased_ours, leased_others;
};

void shares_init(struct shares *all, uint64_t seed);
void shares_finish(struct shares *all);

/* Which are our own. What there is no memory for is treated as another's. */
void shares_forget_ours(struct shares *all);
void shares_add_ours(struct shares *all, struct bytes name);

/* A recipient with that address is leased: it counts until shares_leave. NULL: no memory. */
struct share *shares_enter(struct shares *all, struct bytes address);
/* NULL is allowed. */
void shares_leave(struct shares *all, struct share *to);
/* Another server has answered, or could not be reached. NULL is allowed. */
void share_learn(struct share *to, enum outcome_kind kind);

/* The limits of `want` as they are now, all in arena: another thread reads them. False: no memory. */
bool shares_limit(
    const struct shares *all, struct arena *arena, struct store_want *want);

#endif
