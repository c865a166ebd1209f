/* The log lines of ampel-fetch: so many a minute, since strangers cause them. */
#ifndef AMPEL_FETCH_JOURNAL_H
#define AMPEL_FETCH_JOURNAL_H

#include <stdint.h>

#include "base/bytes.h"
#include "proto/sts_cached.h"

enum { JOURNAL_LINES_MAX = 60 }; /* a minute */

/* Zeroed at first. */
struct journal {
	uint64_t minute_ms; /* when it began */
	unsigned n_lines;   /* of this minute, written or not */
};

/* now_ms is monotonic. old: what counted until now, NULL: nothing. */
void journal_policy(struct journal *j, uint64_t now_ms, struct bytes domain,
    const struct sts_cached *old, const struct sts_cached *cached);
/* kept: what goes on to count, NULL: nothing. */
void journal_failure(struct journal *j, uint64_t now_ms, struct bytes domain,
    const struct sts_cached *kept, struct bytes why);

#endif
