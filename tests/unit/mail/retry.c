#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

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

/* A clock that went back neither hastens nor delays what is due. */
static void
a_now_before_birth_counts_as_birth(void **state)
{
	static const uint32_t randoms[] = { 0, 1, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof randoms / sizeof randoms[0]; i++) {
		uint64_t at_birth =
		    retry_next_ms(birth_ms, birth_ms, 20, randoms[i]);

		assert_true(at_birth ==
		    retry_next_ms(birth_ms, birth_ms - 1, 20, randoms[i]));
		assert_true(at_birth ==
		    retry_next_ms(birth_ms, 0, 20, randoms[i]));
	}
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
