/*
 * Attempts to log in, and how long each waits before its password is looked at: the longer,
 * the more have failed from that address (of IPv6 its /64) and for that user. Right and wrong
 * passwords wait alike. A user who logged in from an address within the last 30 days waits
 * there not at all, so nobody locks him out by guessing; unless he himself fails often.
 *
 * An attempt counts as failed while it is on its way: many at once gain nothing.
 */
#ifndef AMPEL_MAIL_ATTEMPTS_H
#define AMPEL_MAIL_ATTEMPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
	ATTEMPTS_ENTRIES = 64 * 1024, /* addresses, users, and pairs of both that are kept */
	ATTEMPTS_USER_MAX = 31,       /* bytes of a name */
	ATTEMPTS_AT_ONCE = 4096,
	ATTEMPTS_AT_ONCE_PER_ADDRESS = 64,
	ATTEMPTS_AT_ONCE_PER_PAIR = 8,
	ATTEMPTS_FREE = 3,             /* failures without a delay */
	ATTEMPTS_FIRST_DELAY_MS = 250, /* then it doubles */
	ATTEMPTS_ADDRESS_DELAY_MS = 4000,
	ATTEMPTS_USER_DELAY_MS = 8000,
	ATTEMPTS_FAILURES_MAX = 16,    /* more are not counted; a known pair is then known no more */
	ATTEMPTS_HALF_MS = 10 * 60 * 1000, /* the time in which failures halve */
};

struct attempts;

/* One on its way: the caller's, from begin to end. */
struct attempt {
	uint8_t  address[16];
	char     user[ATTEMPTS_USER_MAX + 1];
	bool     is_known; /* the pair has logged in of late */
	uint64_t delay_ms; /* to wait before the password is looked at */
};

enum attempt_end {
	ATTEMPT_VOID, /* the password was not looked at */
	ATTEMPT_FAILED,
	ATTEMPT_SUCCEEDED,
};

/* NULL: no memory. */
struct attempts *attempts_new(size_t entries, uint64_t seed);
void             attempts_free(struct attempts *a);

/*
 * Begin one. user is a canonical name; those that can be nobody's are "" all. False: too many are on
 * their way (a known pair minds only the limit in all), or no memory; the answer is
 * "try later" then, and no end follows.
 */
bool   attempts_begin(struct attempts *a, const uint8_t address[16],
      struct bytes user, uint64_t now_ms, struct attempt *out);
void   attempts_end(struct attempts *a, const struct attempt *attempt,
      enum attempt_end end, uint64_t now_ms);
/* How many are on their way. */
size_t attempts_at_once(const struct attempts *a);

#endif
