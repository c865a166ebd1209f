#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdbool.h>

#include "mail/retry.h"

static const uint64_t birth_ms = 1795563038123;

/* next = birth + (sqrt(now - birth) + k)^2, in whole seconds, rounded down. */
static void
the_formula(void **state)
{
	static const struct {
		uint64_t age_ms;
		unsigned k;
		uint64_t next_s;
	} rows[] = {
		{ 0, 10, 100 },
		{ 0, 20, 400 },
		{ 999, 10, 100 },
		{ 1000, 10, 121 },
		{ 100000, 10, 400 },
		{ 99999, 10, 361 },
		{ 400000, 20, 1600 },
		{ 1600000, 20, 3600 },
		{ 3600000, 10, 4900 },
		{ 604800000, 20, 635209 }, /* 7 days: floor(777.68) + 20 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_true(retry_next_ms(birth_ms, birth_ms + rows[i].age_ms,
		    rows[i].k, 0) == birth_ms + rows[i].next_s * 1000);
}

static void
attempts_grow_apart_until_the_queue_lifetime(void **state)
{
	const uint64_t lifetime_ms = 7 * 86400000ULL;
	static const unsigned ks[] = { RETRY_LOCAL, RETRY_REMOTE };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint64_t now_ms = birth_ms, last_wait_ms = 0;
		unsigned attempts = 0;

		while (now_ms - birth_ms < lifetime_ms) {
			uint64_t next_ms =
			    retry_next_ms(birth_ms, now_ms, ks[i], 0);

			assert_true(next_ms > now_ms);
			assert_true(next_ms - now_ms > last_wait_ms);
			last_wait_ms = next_ms - now_ms;
			now_ms = next_ms;
			attempts++;
		}
		/* sqrt(604800) = 777.7, in steps of k */
		assert_int_equal(attempts, ks[i] == RETRY_LOCAL ? 78 : 39);
	}
}

static void
every_age_has_a_later_attempt(void **state)
{
	(void)state;
	for (uint64_t age_ms = 0; age_ms < 1000000000; age_ms += 9973)
		assert_true(retry_next_ms(birth_ms, birth_ms + age_ms, 1, 0) >
		    birth_ms + age_ms);
}

static void
random_adds_up_to_a_tenth_of_the_wait(void **state)
{
	static const uint64_t ages_ms[] = { 0, 100000, 3600000, 604800000 };

	(void)state;
	for (size_t i = 0; i < sizeof ages_ms / sizeof ages_ms[0]; i++) {
		uint64_t now_ms = birth_ms + ages_ms[i];
		uint64_t base = retry_next_ms(birth_ms, now_ms, 20, 0);
		uint64_t half =
		    retry_next_ms(birth_ms, now_ms, 20, UINT32_MAX / 2);
		uint64_t full =
		    retry_next_ms(birth_ms, now_ms, 20, UINT32_MAX);

		assert_true(full == base + (base - now_ms) / 10);
		assert_true(half > base && half < full);
	}
}

/* By a clock that was set back it waits as long as a new one, from now on. */
static void
a_now_before_birth_counts_as_birth(void **state)
{
	static const uint32_t randoms[] = { 0, 1, UINT32_MAX };
	static const uint64_t back_ms[] = { 1, 3600000, 365 * 86400000ULL };

	(void)state;
	for (size_t i = 0; i < sizeof randoms / sizeof randoms[0]; i++)
		for (size_t k = 0; k < sizeof back_ms / sizeof back_ms[0]; k++) {
			uint64_t now_ms = birth_ms - back_ms[k];

			assert_true(
			    retry_next_ms(birth_ms, now_ms, 20, randoms[i]) -
			        now_ms ==
			    retry_next_ms(birth_ms, birth_ms, 20, randoms[i]) -
			        birth_ms);
		}
}

/* --- a life in the queue --- */

enum { DAY_MS = 86400000, HOUR_MS = 3600000 };

/* Numbers that are the same every time. */
static uint32_t
next_random(uint64_t *x)
{
	*x = *x * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(*x >> 32);
}

static const struct retry_terms week = {
	.k = RETRY_REMOTE, .lifetime_ms = 7ULL * DAY_MS, .warning_ms = 4ULL * HOUR_MS,
};

/* (sqrt(age) + k)^2 - age */
static uint64_t
wait_of(uint64_t age_ms, unsigned k)
{
	uint64_t root = 0;

	while ((root + 1) * (root + 1) <= age_ms / 1000)
		root++;
	return (root + k) * (root + k) * 1000 - age_ms;
}

/* Of a message that is deferred at every attempt, each of which takes took_ms. */
static void
live(const struct retry_terms *terms, uint64_t took_ms, uint64_t *random,
    unsigned *attempts, unsigned *warnings)
{
	uint64_t now_ms = birth_ms, age_ms, least_ms;

	*attempts = *warnings = 0;
	for (;;) {
		struct retry r;

		now_ms += took_ms;
		++*attempts;
		r = retry_after(terms, birth_ms, now_ms, next_random(random));
		age_ms = now_ms - birth_ms;
		assert_true(r.is_over == (age_ms >= terms->lifetime_ms));
		if (r.is_late && *warnings == 0) {
			++*warnings;
			/* at the first deferral from that age on */
			assert_true(age_ms >= terms->warning_ms);
		}
		assert_true(r.is_late == (*warnings > 0));
		if (r.is_over)
			return;
		assert_true(r.due_ms > now_ms);
		assert_true(r.due_ms <= birth_ms + terms->lifetime_ms);
		/* up to a tenth later than the schedule says, or the end */
		least_ms = wait_of(age_ms, terms->k);
		if (r.due_ms < birth_ms + terms->lifetime_ms)
			assert_in_range(r.due_ms - now_ms, least_ms,
			    least_ms + least_ms / 10 + 1);
		now_ms = r.due_ms;
	}
}

static void
a_thousand_lives_of_a_week(void **state)
{
	uint64_t random = 1;
	unsigned attempts, warnings, least = UINT_MAX, most = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		live(&week, i % 60 * 1000, &random, &attempts, &warnings);
		assert_int_equal(warnings, 1);
		least = attempts < least ? attempts : least;
		most = attempts > most ? attempts : most;
	}
	/* 39 steps of 20 s to the root of a week, one at the start; jitter leaves out some */
	assert_in_range(least, 37, 40);
	assert_in_range(most, 38, 41);
	assert_true(least < most);
}

static void
many_do_not_come_back_together(void **state)
{
	enum { N = 1000, SLOTS = 10 };
	unsigned slots[SLOTS] = { 0 };
	uint64_t random = 7;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		struct retry r = retry_after(
		    &week, birth_ms, birth_ms, next_random(&random));

		/* 400 s, and up to 40 more */
		slots[(r.due_ms - birth_ms - 400000) * SLOTS / 40001]++;
	}
	for (unsigned i = 0; i < SLOTS; i++)
		assert_in_range(slots[i], N / SLOTS / 2, N / SLOTS * 2);
}

static void
short_lives_end_in_time(void **state)
{
	static const struct retry_terms terms = {
		.k = RETRY_REMOTE, .lifetime_ms = 3000,
	};
	uint64_t random = 3;
	unsigned attempts, warnings;

	(void)state;
	live(&terms, 0, &random, &attempts, &warnings);
	assert_int_equal(attempts, 2);
	assert_int_equal(warnings, 0);
}

/*
 * Back an hour at each attempt for a while: it ends all the same, and before its birth it is
 * tried as often as a new one.
 */
static void
a_clock_that_is_set_back_keeps_no_message(void **state)
{
	enum { BACK_HOURS = 20 };
	uint64_t now_ms = birth_ms, random = 5;
	unsigned attempts = 0;

	(void)state;
	for (;; attempts++) {
		struct retry r =
		    retry_after(&week, birth_ms, now_ms, next_random(&random));

		if (r.is_over)
			break;
		assert_true(r.due_ms > now_ms);
		assert_true(r.due_ms - now_ms <= week.lifetime_ms);
		now_ms = r.due_ms;
		if (attempts < BACK_HOURS)
			now_ms -= HOUR_MS;
	}
	assert_in_range(attempts, 37, 40 + BACK_HOURS * HOUR_MS / 400000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_formula),
		cmocka_unit_test(attempts_grow_apart_until_the_queue_lifetime),
		cmocka_unit_test(every_age_has_a_later_attempt),
		cmocka_unit_test(random_adds_up_to_a_tenth_of_the_wait),
		cmocka_unit_test(a_now_before_birth_counts_as_birth),
		cmocka_unit_test(a_thousand_lives_of_a_week),
		cmocka_unit_test(many_do_not_come_back_together),
		cmocka_unit_test(short_lives_end_in_time),
		cmocka_unit_test(a_clock_that_is_set_back_keeps_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
