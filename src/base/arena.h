/*
 * Memory that is freed together: a transaction's, a parsed file's. Bounded at
 * birth. Nothing taken from it is freed by itself; arena_reset frees all.
 */
#ifndef AMPEL_BASE_ARENA_H
#define AMPEL_BASE_ARENA_H

#include <stddef.h>

#include "base/bytes.h"

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t              used;
	size_t              max;
};

/* No memory is taken before the first allocation. */
void arena_init(struct arena *a, size_t max_bytes);
void arena_finish(struct arena *a);
void arena_reset(struct arena *a);

/* Zeroed and aligned for anything. NULL: the maximum is reached or no memory. */
void *arena_alloc(struct arena *a, size_t n);

/*
 * Copies, NUL-terminated behind the view. A NULL p means failure; the copy of an
 * empty view is an empty view with a p.
 */
struct bytes arena_copy(struct arena *a, struct bytes b);
char        *arena_string(struct arena *a, struct bytes b);

#endif
