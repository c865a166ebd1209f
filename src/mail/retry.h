/*
 * When a deferred recipient is tried again: qmail's quadratic schedule.
 */
#ifndef AMPEL_MAIL_RETRY_H
#define AMPEL_MAIL_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* The k of the schedule: next = birth + (sqrt(now - birth) + k)^2, seconds. */
enum { RETRY_LOCAL = 10, RETRY_REMOTE = 20 };

/*
 * The time of the next attempt after one that ended at now. random spreads it by
 * up to a tenth of the interval, later only. The times are ms since 1970. A now before
 * birth, by a clock that was set back, counts as birth, and the wait begins now.
 */
uint64_t retry_next_ms(
    uint64_t birth_ms, uint64_t now_ms, unsigned k, uint32_t random);

struct retry_terms {
	unsigned k;
	uint64_t lifetime_ms; /* at that age the last attempt is made */
	uint64_t warning_ms;  /* from that age on the sender is told of the delay; 0: never */
};

/* What follows when an attempt was deferred. */
struct retry {
	bool     is_over;        /* that was the last attempt */
	bool     is_late;        /* its sender is to know, once */
	uint64_t due_ms;         /* the next attempt, never behind the end of the lifetime */
};

struct retry retry_after(const struct retry_terms *terms, uint64_t birth_ms,
    uint64_t now_ms, uint32_t random);

#endif
