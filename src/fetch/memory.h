/*
 * What is remembered of domains: their policies, each in a file of its own too, so that
 * they survive us; and which of them could not be fetched lately. Both are bounded: what
 * was asked for longest ago is forgotten first.
 */
#ifndef AMPEL_FETCH_MEMORY_H
#define AMPEL_FETCH_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "proto/sts_cached.h"

enum {
	MEMORY_POLICIES_MAX = 10000,
	MEMORY_BYTES_MAX = 32 * 1024 * 1024, /* of them all, as text */
	MEMORY_ARENA_MAX = 256 * 1024,       /* what memory_find needs at most */
	MEMORY_WHY_MAX = 128,
};

struct memory;

/*
 * folder: made when it is not there; NULL: nothing survives. Files in it that are no valid
 * policies are removed. NULL: no memory, or with a line in the log, the folder cannot be used.
 */
struct memory *memory_open(const char *folder, uint64_t now_ms);
void           memory_close(struct memory *m);

/* A policy that still counts. out and what it borrows from live in arena. */
bool memory_find(struct memory *m, struct bytes domain, uint64_t now_ms,
    struct arena *arena, struct sts_cached *out);
/*
 * In place of an older one; what has failed is forgotten. False: no memory. When only the file
 * cannot be written, a line is logged.
 */
bool memory_put(struct memory *m, struct bytes domain,
    const struct sts_cached *cached);

/* It could not be fetched. */
void     memory_fail(struct memory *m, struct bytes domain, uint64_t now_ms,
        struct bytes why);
/* When that was, 0: it was not. why lives until the next call. */
uint64_t memory_failed_ms(
    struct memory *m, struct bytes domain, struct bytes *why);

size_t memory_policies(const struct memory *m);

#endif
