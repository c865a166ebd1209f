#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "mail/quota.h"

#define HOUR ((uint64_t)60 * 60 * 1000)

static void
test_limit_and_return(void **state)
{
	static const struct bytes alice = BYTES_INIT("alice");
	struct quota              q;

	(void)state;
	assert_true(quota_init(&q, 1));
	for (int i = 0; i < 24; i++)
		assert_true(quota_take(&q, alice, 24, 1000));
	assert_false(quota_take(&q, alice, 24, 1000));
	/* others are not touched by it */
	assert_true(quota_take(&q, BYTES("bob"), 24, 1000));
	/* one an hour comes back */
	assert_false(quota_take(&q, alice, 24, 1000 + HOUR - 1));
	assert_true(quota_take(&q, alice, 24, 1000 + HOUR));
	assert_false(quota_take(&q, alice, 24, 1000 + HOUR));
	/* and never more than a day's worth */
	for (int i = 0; i < 24; i++)
		assert_true(quota_take(&q, alice, 24, 1000 + 100 * HOUR));
	assert_false(quota_take(&q, alice, 24, 1000 + 100 * HOUR));
	quota_finish(&q);
}

static void
test_clock_goes_back(void **state)
{
	struct quota q;

	(void)state;
	assert_true(quota_init(&q, 1));
	assert_true(quota_take(&q, BYTES("alice"), 1, 10 * HOUR));
	assert_false(quota_take(&q, BYTES("alice"), 1, 5 * HOUR));
	assert_false(quota_take(&q, BYTES("alice"), 1, 6 * HOUR));
	quota_finish(&q);
}

static void
test_smaller_limit_later(void **state)
{
	struct quota q;

	(void)state;
	assert_true(quota_init(&q, 1));
	for (int i = 0; i < 100; i++)
		assert_true(quota_take(&q, BYTES("alice"), 100, 0));
	assert_false(quota_take(&q, BYTES("alice"), 10, 0));
	quota_finish(&q);
}

static void
test_memory_is_bounded(void **state)
{
	struct quota q;
	char         name[32];

	(void)state;
	assert_true(quota_init(&q, 1));
	for (int i = 0; i < QUOTA_USERS_MAX + 10; i++) {
		snprintf(name, sizeof name, "user%d", i);
		assert_true(quota_take(&q, bytes_of(name), 1, 0));
	}
	assert_true(q.users.n <= QUOTA_USERS_MAX);
	/* who sent last is not the one that is forgotten */
	assert_false(quota_take(&q, bytes_of(name), 1, 0));
	quota_finish(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit_and_return),
		cmocka_unit_test(test_clock_goes_back),
		cmocka_unit_test(test_smaller_limit_later),
		cmocka_unit_test(test_memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
