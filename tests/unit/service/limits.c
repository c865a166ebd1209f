#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/network.h"
#include "service/limits.h"

static struct limits limits;

static void
begin(size_t max, size_t max_per_address)
{
	limits_init(&limits, 0x0123456789abcdef);
	limits_set(&limits, max, max_per_address);
}

static enum limits_result
enter(const char *text)
{
	uint8_t address[16];

	assert_true(network_parse_address(bytes_of(text), address));
	return limits_enter(&limits, address);
}

static void
leave(const char *text)
{
	uint8_t address[16];

	assert_true(network_parse_address(bytes_of(text), address));
	limits_leave(&limits, address);
}

/* One session of the first address; does the second have its own count? */
static void
test_who_counts_together(void **state)
{
	static const struct {
		const char        *first, *second;
		enum limits_result result;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", LIMITS_TOO_MANY_OF_THEM },
		{ "192.0.2.1", "192.0.2.2", LIMITS_ENTERED },
		{ "192.0.2.1", "::ffff:192.0.2.1", LIMITS_TOO_MANY_OF_THEM },
		{ "192.0.2.1", "::ffff:192.0.2.2", LIMITS_ENTERED },
		{ "2001:db8::1", "2001:db8::1", LIMITS_TOO_MANY_OF_THEM },
		{ "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff",
		    LIMITS_TOO_MANY_OF_THEM },
		{ "2001:db8::1", "2001:db8:0:1::1", LIMITS_ENTERED },
		{ "::1", "192.0.2.1", LIMITS_ENTERED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		begin(10, 1);
		assert_int_equal(enter(rows[i].first), LIMITS_ENTERED);
		assert_int_equal(enter(rows[i].second), rows[i].result);
		limits_finish(&limits);
	}
}

static void
test_total(void **state)
{
	(void)state;
	begin(2, 2);
	assert_int_equal(enter("192.0.2.1"), LIMITS_ENTERED);
	assert_int_equal(enter("192.0.2.2"), LIMITS_ENTERED);
	assert_int_equal(enter("192.0.2.3"), LIMITS_TOO_MANY);
	leave("192.0.2.1");
	assert_int_equal(enter("192.0.2.3"), LIMITS_ENTERED);
	assert_int_equal(limits.n, 2);
	limits_finish(&limits);
}

static void
test_leave(void **state)
{
	(void)state;
	begin(10, 2);
	assert_int_equal(enter("192.0.2.1"), LIMITS_ENTERED);
	assert_int_equal(enter("192.0.2.1"), LIMITS_ENTERED);
	assert_int_equal(enter("192.0.2.1"), LIMITS_TOO_MANY_OF_THEM);
	leave("192.0.2.1");
	assert_int_equal(enter("192.0.2.1"), LIMITS_ENTERED);
	assert_int_equal(enter("192.0.2.1"), LIMITS_TOO_MANY_OF_THEM);
	leave("192.0.2.1");
	leave("192.0.2.1");
	leave("192.0.2.1"); /* who never came */
	assert_int_equal(limits.n, 0);
	for (size_t i = 0; i < LIMITS_BUCKETS; i++)
		assert_null(limits.buckets[i]); /* nobody costs memory */
	limits_finish(&limits);
}

static void
test_lower_limits(void **state)
{
	(void)state;
	begin(10, 10);
	for (int i = 0; i < 5; i++)
		assert_int_equal(enter("192.0.2.1"), LIMITS_ENTERED);
	limits_set(&limits, 10, 3);
	assert_int_equal(enter("192.0.2.1"), LIMITS_TOO_MANY_OF_THEM);
	assert_int_equal(enter("192.0.2.2"), LIMITS_ENTERED);
	limits_set(&limits, 4, 3);
	assert_int_equal(enter("192.0.2.3"), LIMITS_TOO_MANY);
	limits_finish(&limits);
}

/* More addresses than buckets: each keeps its own count. */
static void
test_many_addresses(void **state)
{
	enum { MANY = 3 * LIMITS_BUCKETS };
	uint8_t address[16] = { 0x20, 0x01 };

	(void)state;
	begin(MANY + 1, 1);
	for (int turn = 0; turn < 2; turn++)
		for (unsigned i = 0; i < MANY; i++) {
			address[4] = (uint8_t)(i >> 8);
			address[5] = (uint8_t)i;
			assert_int_equal(limits_enter(&limits, address),
			    turn == 0 ? LIMITS_ENTERED : LIMITS_TOO_MANY_OF_THEM);
		}
	for (unsigned i = 0; i < MANY; i++) {
		address[4] = (uint8_t)(i >> 8);
		address[5] = (uint8_t)i;
		limits_leave(&limits, address);
	}
	assert_int_equal(limits.n, 0);
	limits_finish(&limits);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_counts_together),
		cmocka_unit_test(test_total),
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_lower_limits),
		cmocka_unit_test(test_many_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
