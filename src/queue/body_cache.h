/*
 * The newest small bodies as sealed memory files, so that a message that is
 * delivered at once is not read back. Bounded in number and bytes; the oldest goes
 * first. Losing one costs a read, nothing else.
 */
#ifndef AMPEL_QUEUE_BODY_CACHE_H
#define AMPEL_QUEUE_BODY_CACHE_H

#include <stdint.h>

#include "mail/id.h"

enum {
	BODY_CACHE_FILES = 256, /* a power of two: also the number of chains */
	BODY_CACHE_BYTES = 8 * 1024 * 1024,
};

struct body_cache_file {
	struct id id;
	int       fd; /* -1: this place is free */
	uint64_t  size_bytes;
	int       next; /* in its chain; -1: the last */
};

struct body_cache {
	struct body_cache_file files[BODY_CACHE_FILES];
	int                    chains[BODY_CACHE_FILES];
	int                    next;   /* where the next one goes */
	int                    oldest; /* none is older than this place's */
	uint64_t               size_bytes;
};

void body_cache_init(struct body_cache *c);
void body_cache_finish(struct body_cache *c);
/* Keep a duplicate of fd, which is sealed. */
void body_cache_add(
    struct body_cache *c, const struct id *id, int fd, uint64_t size_bytes);
/* A duplicate, the caller's. -1: not here. */
int  body_cache_get(const struct body_cache *c, const struct id *id);
void body_cache_drop(struct body_cache *c, const struct id *id);

#endif
