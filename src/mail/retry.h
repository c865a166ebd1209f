/*
 * When a deferred recipient is tried again: qmail's quadratic schedule.
 */
#ifndef AMPEL_MAIL_RETRY_H
#define AMPEL_MAIL_RETRY_H

#include <stdint.h>

/* The k of the schedule: next = birth + (sqrt(now - birth) + k)^2, seconds. */
enum { RETRY_LOCAL = 10, RETRY_REMOTE = 20 };

/*
 * The time of the next attempt after one that ended at now. random spreads it by
 * up to a tenth of the interval, later only. The times are ms since 1970; a now before
 * birth counts as birth.
 */
uint64_t retry_next_ms(
    uint64_t birth_ms, uint64_t now_ms, unsigned k, uint32_t random);

#endif
