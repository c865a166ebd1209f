#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/concurrency.h"

enum { MAX = 20 };

static const uint64_t start_ms = 1000000;

static void
it_grows_by_one_after_each_round(void **state)
{
	struct concurrency c;
	unsigned           transactions = 0;

	(void)state;
	concurrency_init(&c);
	for (unsigned limit = CONCURRENCY_START; limit < MAX; limit++) {
		for (unsigned i = 0; i < limit; i++) {
			assert_int_equal(concurrency_limit(&c, MAX), limit);
			concurrency_succeeded(&c, MAX);
			transactions++;
		}
	}
	for (int i = 0; i < 1000; i++)
		concurrency_succeeded(&c, MAX);
	assert_int_equal(concurrency_limit(&c, MAX), MAX);
	/* 5 + 6 + ... + 19 */
	assert_int_equal(transactions, 180);
}

static void
it_halves_once_for_those_that_fail_together(void **state)
{
	struct concurrency c;

	(void)state;
	concurrency_init(&c);
	c.limit = 20;
	for (uint64_t i = 0; i < 20; i++)
		concurrency_failed(&c, start_ms + i);
	assert_int_equal(concurrency_limit(&c, MAX), 10);
	concurrency_failed(&c, start_ms + CONCURRENCY_HALVE_PAUSE_MS - 1);
	assert_int_equal(concurrency_limit(&c, MAX), 10);
	for (uint64_t i = 1; i < 10; i++)
		concurrency_failed(&c, start_ms + i * CONCURRENCY_HALVE_PAUSE_MS);
	assert_int_equal(concurrency_limit(&c, MAX), 1);
}

static void
a_failure_begins_the_round_anew(void **state)
{
	struct concurrency c;

	(void)state;
	concurrency_init(&c);
	for (unsigned i = 1; i < CONCURRENCY_START; i++)
		concurrency_succeeded(&c, MAX);
	concurrency_failed(&c, start_ms);
	assert_int_equal(concurrency_limit(&c, MAX), CONCURRENCY_START / 2);
	concurrency_succeeded(&c, MAX);
	assert_int_equal(concurrency_limit(&c, MAX), CONCURRENCY_START / 2);
	concurrency_succeeded(&c, MAX);
	assert_int_equal(concurrency_limit(&c, MAX), CONCURRENCY_START / 2 + 1);
}

static void
the_ceiling_is_the_callers(void **state)
{
	struct concurrency c;

	(void)state;
	concurrency_init(&c);
	assert_int_equal(concurrency_limit(&c, 2), 2);
	assert_int_equal(concurrency_limit(&c, 0), 1);
	for (int i = 0; i < 100; i++)
		concurrency_succeeded(&c, 2);
	assert_int_equal(concurrency_limit(&c, MAX), CONCURRENCY_START);
}

static void
down_is_probed_by_one_and_backs_off(void **state)
{
	static const uint64_t minutes[] = { 1, 2, 4, 8, 15, 15 };
	struct concurrency    c;
	uint64_t              now_ms = start_ms;

	(void)state;
	concurrency_init(&c);
	assert_true(concurrency_admit(&c, now_ms));
	for (size_t i = 0; i < sizeof minutes / sizeof minutes[0]; i++) {
		concurrency_went_down(&c, now_ms, 0);
		/* connections that were under way fail, too */
		concurrency_went_down(&c, now_ms + 1, 0);
		assert_false(concurrency_admit(&c, now_ms));
		now_ms += minutes[i] * 60000 - 1;
		assert_false(concurrency_admit(&c, now_ms));
		now_ms++;
		assert_true(concurrency_admit(&c, now_ms));
		assert_int_equal(c.state, CONCURRENCY_PROBING);
		/* one at a time */
		assert_false(concurrency_admit(&c, now_ms));
		assert_false(concurrency_admit(&c, now_ms + 3600000));
	}
	concurrency_came_up(&c);
	assert_true(concurrency_admit(&c, now_ms));
	assert_true(concurrency_admit(&c, now_ms));
	assert_int_equal(concurrency_limit(&c, MAX), 1);
	/* it was up meanwhile: from the beginning */
	concurrency_went_down(&c, now_ms, 0);
	assert_true(concurrency_admit(&c, now_ms + 60000));
}

static void
a_void_probe_is_followed_by_another(void **state)
{
	struct concurrency c;

	(void)state;
	concurrency_init(&c);
	concurrency_went_down(&c, start_ms, 0);
	assert_true(concurrency_admit(&c, start_ms + 60000));
	concurrency_probe_void(&c);
	assert_true(concurrency_admit(&c, start_ms + 60000));
	concurrency_came_up(&c);
	concurrency_probe_void(&c); /* means nothing when it is up */
	assert_int_equal(c.state, CONCURRENCY_UP);
}

static void
random_adds_up_to_a_tenth(void **state)
{
	struct concurrency c;

	(void)state;
	concurrency_init(&c);
	concurrency_went_down(&c, start_ms, UINT32_MAX);
	assert_false(concurrency_admit(&c, start_ms + 65999));
	assert_true(concurrency_admit(&c, start_ms + 66000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_grows_by_one_after_each_round),
		cmocka_unit_test(it_halves_once_for_those_that_fail_together),
		cmocka_unit_test(a_failure_begins_the_round_anew),
		cmocka_unit_test(the_ceiling_is_the_callers),
		cmocka_unit_test(down_is_probed_by_one_and_backs_off),
		cmocka_unit_test(a_void_probe_is_followed_by_another),
		cmocka_unit_test(random_adds_up_to_a_tenth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
