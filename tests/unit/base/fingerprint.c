#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/fingerprint.h"

/* Published values of FNV-1a with 128 bits. */
static void
test_known(void **state)
{
	static const struct {
		const char *name;
		const char *hex;
	} rows[] = {
		{ "", "6c62272e07bb014262b821756295c58d" },
		{ "a", "d228cb696f1a8caf78912b704e4a8964" },
		{ "ab", "08809544bbab1be95aa0733055b69a62" },
		{ "abc", "a68d622cec8b5822836dbc7977af7f3b" },
		{ "foobar", "343e1662793c64bf6f0d3597ba446f18" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t bits[FINGERPRINT_BITS];
		char    hex[2 * FINGERPRINT_BITS + 1];

		fingerprint_of(bytes_of(rows[i].name), bits);
		for (int k = 0; k < FINGERPRINT_BITS; k++)
			snprintf(hex + 2 * k, 3, "%02x", bits[k]);
		assert_string_equal(hex, rows[i].hex);
	}
}

/* Every byte counts, whatever it is. */
static void
test_every_byte(void **state)
{
	char    name[300];
	uint8_t one[FINGERPRINT_BITS], other[FINGERPRINT_BITS];

	(void)state;
	memset(name, 0xfe, sizeof name);
	fingerprint_of((struct bytes){ name, sizeof name }, one);
	for (size_t i = 0; i < sizeof name; i++) {
		name[i] ^= 1;
		fingerprint_of((struct bytes){ name, sizeof name }, other);
		assert_memory_not_equal(one, other, sizeof one);
		name[i] ^= 1;
	}
	fingerprint_of((struct bytes){ name, sizeof name - 1 }, other);
	assert_memory_not_equal(one, other, sizeof one);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
