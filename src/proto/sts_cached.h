/*
 * A policy of MTA-STS that is remembered (RFC 8461 sections 3.3 and 5.1): how it is written
 * into a file, how long it counts, and what has to be done when somebody asks for it.
 */
#ifndef AMPEL_PROTO_STS_CACHED_H
#define AMPEL_PROTO_STS_CACHED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "proto/mta_sts.h"

enum {
	STS_RETRY_MS = 5 * 60 * 1000,         /* after a failed fetch, section 3.3 */
	STS_REFRESH_MS = 24 * 60 * 60 * 1000, /* section 10.2: daily */
};

struct sts_cached {
	struct bytes      id;         /* of the record with which it was fetched */
	uint64_t          fetched_ms; /* since 1970 */
	struct sts_policy policy;
};

/* The text of a file: our line, then a policy of RFC 8461. */
void sts_cached_add(
    struct buf *b, struct bytes domain, const struct sts_cached *cached);
/*
 * False: not such a text, or of another domain. out lives in arena and borrows from text.
 */
bool sts_cached_parse(struct bytes text, struct bytes domain,
    struct arena *arena, struct sts_cached *out);

/* max_age has not passed. */
bool sts_cached_is_valid(const struct sts_cached *cached, uint64_t now_ms);

enum sts_step {
	STS_ANSWER,  /* with what is known: the valid policy, or none */
	STS_REFRESH, /* the same, and fetch it anew meanwhile */
	STS_FETCH,   /* before the answer */
};

/*
 * cached: valid, or NULL. announced: the id in the DNS now, empty: none that counts.
 * failed_ms: when fetching it failed last; 0: not since it was fetched, or never.
 */
enum sts_step sts_step_of(const struct sts_cached *cached,
    struct bytes announced, uint64_t failed_ms, uint64_t now_ms);

#endif
