#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/base32.h"

struct row {
	uint8_t     bits[BASE32_BITS];
	const char *text;
};

/* Computed from the number of 128 bits, written to the base 32. */
static const struct row rows[] = {
	{ { 0 }, "00000000000000000000000000" },
	{ { [15] = 1 }, "00000000000000000000000001" },
	{ { [15] = 31 }, "0000000000000000000000000v" },
	{ { [15] = 32 }, "00000000000000000000000010" },
	{ { [0] = 0x80 }, "40000000000000000000000000" },
	{ { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
	      0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10 },
	    "014d2mf2dbpnnvtn5qj1r58cgg" },
	{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	    "7vvvvvvvvvvvvvvvvvvvvvvvvv" },
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static void
known_values_encode_and_decode(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		char    text[BASE32_TEXT];
		uint8_t bits[BASE32_BITS];

		base32_encode(rows[i].bits, text);
		assert_memory_equal(text, rows[i].text, BASE32_TEXT);
		assert_true(base32_decode(bytes_of(rows[i].text), bits));
		assert_memory_equal(bits, rows[i].bits, BASE32_BITS);
	}
}

static void
text_sorts_as_the_bits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++)
		for (size_t j = 0; j < ROWS; j++) {
			int bits = memcmp(
			    rows[i].bits, rows[j].bits, BASE32_BITS);
			int text = strcmp(rows[i].text, rows[j].text);

			assert_int_equal(bits < 0, text < 0);
			assert_int_equal(bits > 0, text > 0);
		}
}

static void
anything_else_is_refused(void **state)
{
	static const struct bytes bad[] = {
		BYTES_INIT(""),
		BYTES_INIT("0000000000000000000000000"),
		BYTES_INIT("000000000000000000000000000"),
		BYTES_INIT("80000000000000000000000000"), /* the 129th bit */
		BYTES_INIT("v0000000000000000000000000"),
		BYTES_INIT("0000000000000000000000000w"),
		BYTES_INIT("0000000000000000000000000V"),
		BYTES_INIT("0000000000000000000000000\0"),
		BYTES_INIT("0000000000000 000000000000"),
		BYTES_INIT("000000000000000000000000\xc3\xa9"),
	};
	uint8_t bits[BASE32_BITS];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(base32_decode(bad[i], bits));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values_encode_and_decode),
		cmocka_unit_test(text_sorts_as_the_bits),
		cmocka_unit_test(anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
