#include "mail/attempts.h"

#include <stdlib.h>
#include <string.h>

#include "base/network.h"
#include "base/recent.h"

static const uint64_t known_for_ms = (uint64_t)30 * 24 * 60 * 60 * 1000;

/* Of an address, a user, or a pair of both; held by each attempt on its way. */
struct record {
	struct recent_entry entry; /* first: an entry is one of these */
	unsigned            failures;
	uint64_t            halved_ms; /* when they were halved, or the first came */
	bool                is_known;  /* pairs only */
	uint64_t            known_ms;
};

struct attempts {
	struct recent addresses, users, pairs;
	size_t        n; /* on their way */
};

/* What an attempt touches. */
struct records {
	struct record *address, *user, *pair;
};

struct attempts *
attempts_new(size_t entries, uint64_t seed)
{
	struct attempts *a = calloc(1, sizeof *a);

	if (a && recent_init(&a->addresses, entries, sizeof(struct record), seed) &&
	    recent_init(&a->users, entries, sizeof(struct record), seed) &&
	    recent_init(&a->pairs, entries, sizeof(struct record), seed))
		return a;
	attempts_free(a);
	return NULL;
}

void
attempts_free(struct attempts *a)
{
	if (a == NULL)
		return;
	recent_finish(&a->addresses);
	recent_finish(&a->users);
	recent_finish(&a->pairs);
	free(a);
}

size_t
attempts_at_once(const struct attempts *a)
{
	return a->n;
}

/* --- failures --- */

static void
halve(struct record *r, uint64_t now_ms)
{
	uint64_t times;

	if (r->failures == 0 || now_ms < r->halved_ms)
		return;
	times = (now_ms - r->halved_ms) / ATTEMPTS_HALF_MS;
	r->failures = times < 32 ? r->failures >> times : 0;
	r->halved_ms += times * ATTEMPTS_HALF_MS;
}

static void
charge(struct record *r, uint64_t now_ms)
{
	if (r->failures == 0)
		r->halved_ms = now_ms;
	if (r->failures < ATTEMPTS_FAILURES_MAX)
		r->failures++;
}

static void
refund(struct record *r)
{
	if (r->failures > 0)
		r->failures--;
}

static uint64_t
delay_ms(const struct record *r, uint64_t max_ms)
{
	uint64_t ms = ATTEMPTS_FIRST_DELAY_MS;

	if (r->failures < ATTEMPTS_FREE)
		return 0;
	ms <<= r->failures - ATTEMPTS_FREE;
	return ms < max_ms ? ms : max_ms;
}

/* --- what is remembered of whom --- */

static struct recent_key
key_of(const uint8_t *address, const char *user)
{
	struct recent_key key = { { 0 } };
	char             *p = (char *)key.words;

	if (address)
		memcpy(p, address, 16);
	if (user)
		memcpy(p + 16, user, strlen(user));
	return key;
}

_Static_assert(16 + ATTEMPTS_USER_MAX <= sizeof(struct recent_key),
    "a pair is a key");

static struct record *
touch(struct recent *recent, struct recent_key key, uint64_t now_ms)
{
	struct record *r = (struct record *)recent_touch(recent, &key);

	if (r)
		halve(r, now_ms);
	return r;
}

/* Held by nobody and worth nothing, it goes: the table is for those who matter. */
static void
tidy(struct recent *recent, struct record *r)
{
	if (r && r->entry.held == 0 && !r->is_known && r->failures == 0)
		recent_remove(recent, &r->entry);
}

/* A pair that is not known has its failures only while it is held. */
static void
tidy_all(struct attempts *a, struct records *r)
{
	if (r->pair && r->pair->entry.held == 0 && !r->pair->is_known)
		r->pair->failures = 0;
	tidy(&a->addresses, r->address);
	tidy(&a->users, r->user);
	tidy(&a->pairs, r->pair);
}

static struct records
records_of(struct attempts *a, const struct attempt *attempt, uint64_t now_ms)
{
	return (struct records){
		touch(&a->addresses, key_of(attempt->address, NULL), now_ms),
		touch(&a->users, key_of(NULL, attempt->user), now_ms),
		touch(&a->pairs, key_of(attempt->address, attempt->user), now_ms),
	};
}

static bool
is_known(struct record *pair, uint64_t now_ms)
{
	if (pair->is_known && now_ms - pair->known_ms >= known_for_ms)
		pair->is_known = false;
	return pair->is_known && pair->failures < ATTEMPTS_FAILURES_MAX;
}

static bool
is_room(const struct attempts *a, const struct records *r, bool known)
{
	if (a->n >= ATTEMPTS_AT_ONCE)
		return false;
	return known ||
	    (r->pair->entry.held < ATTEMPTS_AT_ONCE_PER_PAIR &&
	        r->address->entry.held < ATTEMPTS_AT_ONCE_PER_ADDRESS);
}

static uint64_t
longer_delay_ms(const struct records *r)
{
	uint64_t address_ms = delay_ms(r->address, ATTEMPTS_ADDRESS_DELAY_MS);
	uint64_t user_ms = delay_ms(r->user, ATTEMPTS_USER_DELAY_MS);

	return address_ms > user_ms ? address_ms : user_ms;
}

bool
attempts_begin(struct attempts *a, const uint8_t address[16], struct bytes user,
    uint64_t now_ms, struct attempt *out)
{
	struct records r;

	*out = (struct attempt){ .is_known = false };
	network_client(address, out->address);
	bytes_to_string(user, out->user, sizeof out->user);
	r = records_of(a, out, now_ms);
	if (r.address && r.user && r.pair)
		out->is_known = is_known(r.pair, now_ms);
	if (!r.address || !r.user || !r.pair || !is_room(a, &r, out->is_known)) {
		tidy_all(a, &r);
		return false;
	}
	if (!out->is_known) {
		out->delay_ms = longer_delay_ms(&r);
		charge(r.address, now_ms);
		charge(r.user, now_ms);
	}
	charge(r.pair, now_ms);
	r.address->entry.held++;
	r.user->entry.held++;
	r.pair->entry.held++;
	a->n++;
	return true;
}

static void
end_with(struct records *r, bool was_known, enum attempt_end end, uint64_t now_ms)
{
	if (end == ATTEMPT_FAILED) {
		if (was_known) { /* whom nothing was charged for */
			charge(r->address, now_ms);
			charge(r->user, now_ms);
		}
		return;
	}
	refund(r->pair);
	if (!was_known) {
		refund(r->address);
		refund(r->user);
	}
	if (end == ATTEMPT_VOID)
		return;
	r->pair->failures = 0;
	r->pair->is_known = true;
	r->pair->known_ms = now_ms;
}

void
attempts_end(struct attempts *a, const struct attempt *attempt,
    enum attempt_end end, uint64_t now_ms)
{
	struct records r = records_of(a, attempt, now_ms);

	if (!r.address || !r.user || !r.pair)
		return; /* never: they are held since the beginning */
	end_with(&r, attempt->is_known, end, now_ms);
	r.address->entry.held--;
	r.user->entry.held--;
	r.pair->entry.held--;
	a->n--;
	tidy_all(a, &r);
}
