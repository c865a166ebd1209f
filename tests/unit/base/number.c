#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/number.h"

enum { UNTOUCHED = 77 };

static void
plain_numbers(void **state)
{
	static const struct {
		struct bytes text;
		uint64_t     max;
		bool         is_good;
		uint64_t     value;
	} rows[] = {
		{ BYTES_INIT("0"), 0, true, 0 },
		{ BYTES_INIT("007"), 7, true, 7 },
		{ BYTES_INIT("255"), 255, true, 255 },
		{ BYTES_INIT("256"), 255, false, 0 },
		{ BYTES_INIT("1"), 0, false, 0 },
		{ BYTES_INIT("9"), 5, false, 0 },
		{ BYTES_INIT("10"), 9, false, 0 },
		{ BYTES_INIT("18446744073709551615"), UINT64_MAX, true, UINT64_MAX },
		{ BYTES_INIT("18446744073709551616"), UINT64_MAX, false, 0 },
		{ BYTES_INIT("99999999999999999999"), UINT64_MAX, false, 0 },
		{ BYTES_INIT(""), 9, false, 0 },
		{ BYTES_INIT("+1"), 9, false, 0 },
		{ BYTES_INIT("-1"), 9, false, 0 },
		{ BYTES_INIT(" 1"), 9, false, 0 },
		{ BYTES_INIT("1 "), 9, false, 0 },
		{ BYTES_INIT("1\0"), 9, false, 0 },
		{ BYTES_INIT("0x1"), 99, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t value = UNTOUCHED;

		assert_int_equal(number_parse(rows[i].text, rows[i].max, &value),
		    rows[i].is_good);
		assert_true(
		    value == (rows[i].is_good ? rows[i].value : UNTOUCHED));
	}
}

struct unit_row {
	struct bytes text;
	bool         is_good;
	uint64_t     value;
};

static void
check_units(const struct unit_row *rows, size_t n,
    bool (*parse)(struct bytes, uint64_t *))
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = UNTOUCHED;

		assert_int_equal(parse(rows[i].text, &value), rows[i].is_good);
		assert_true(
		    value == (rows[i].is_good ? rows[i].value : UNTOUCHED));
	}
}

static void
sizes(void **state)
{
	static const struct unit_row rows[] = {
		{ BYTES_INIT("0"), true, 0 },
		{ BYTES_INIT("12"), true, 12 },
		{ BYTES_INIT("500k"), true, 512000 },
		{ BYTES_INIT("2M"), true, 2097152 },
		{ BYTES_INIT("9223372036854775807"), true, INT64_MAX },
		{ BYTES_INIT("9223372036854775808"), false, 0 },
		{ BYTES_INIT("8796093022207M"), true, 8796093022207ULL << 20 },
		{ BYTES_INIT("8796093022208M"), false, 0 },
		{ BYTES_INIT("k"), false, 0 },
		{ BYTES_INIT("1K"), false, 0 },
		{ BYTES_INIT("1 k"), false, 0 },
		{ BYTES_INIT("1kB"), false, 0 },
		{ BYTES_INIT("1.5k"), false, 0 },
		{ BYTES_INIT("-1k"), false, 0 },
		{ BYTES_INIT(""), false, 0 },
	};

	(void)state;
	check_units(rows, sizeof rows / sizeof rows[0], number_parse_size);
}

static void
durations(void **state)
{
	static const struct unit_row rows[] = {
		{ BYTES_INIT("0"), true, 0 },
		{ BYTES_INIT("0s"), true, 0 },
		{ BYTES_INIT("60s"), true, 60000 },
		{ BYTES_INIT("5min"), true, 300000 },
		{ BYTES_INIT("2h"), true, 7200000 },
		{ BYTES_INIT("7d"), true, 604800000 },
		{ BYTES_INIT("106751991167d"), true, 9223372036828800000ULL },
		{ BYTES_INIT("106751991168d"), false, 0 },
		{ BYTES_INIT("1"), false, 0 },
		{ BYTES_INIT("00"), false, 0 },
		{ BYTES_INIT("1m"), false, 0 },
		{ BYTES_INIT("1S"), false, 0 },
		{ BYTES_INIT("s"), false, 0 },
		{ BYTES_INIT("1h30min"), false, 0 },
		{ BYTES_INIT(""), false, 0 },
	};

	(void)state;
	check_units(rows, sizeof rows / sizeof rows[0], number_parse_duration);
}

static void
scores(void **state)
{
	static const struct {
		struct bytes text;
		bool         is_good;
		int64_t      milli;
	} rows[] = {
		{ BYTES_INIT("5"), true, 5000 },
		{ BYTES_INIT("+5.0"), true, 5000 },
		{ BYTES_INIT("-0.001"), true, -1 },
		{ BYTES_INIT("6.1"), true, 6100 },
		{ BYTES_INIT("6.12"), true, 6120 },
		{ BYTES_INIT("6.1239"), true, 6123 },
		{ BYTES_INIT("-6.9999"), true, -6999 },
		{ BYTES_INIT("-0"), true, 0 },
		{ BYTES_INIT("999999999.999"), true, 999999999999 },
		{ BYTES_INIT("1000000000"), false, 0 },
		{ BYTES_INIT("5."), false, 0 },
		{ BYTES_INIT(".5"), false, 0 },
		{ BYTES_INIT("."), false, 0 },
		{ BYTES_INIT("-"), false, 0 },
		{ BYTES_INIT("+-1"), false, 0 },
		{ BYTES_INIT("1e3"), false, 0 },
		{ BYTES_INIT("1.2.3"), false, 0 },
		{ BYTES_INIT("1.1234x"), false, 0 },
		{ BYTES_INIT("nan"), false, 0 },
		{ BYTES_INIT("inf"), false, 0 },
		{ BYTES_INIT(""), false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t milli = UNTOUCHED;

		assert_int_equal(number_parse_milli(rows[i].text, &milli),
		    rows[i].is_good);
		assert_true(
		    milli == (rows[i].is_good ? rows[i].milli : UNTOUCHED));
	}
}

static void
scores_as_text(void **state)
{
	static const struct {
		int64_t     milli;
		const char *text;
	} rows[] = {
		{ 0, "0.0" }, { 5000, "5.0" }, { 6100, "6.1" }, { 6120, "6.12" },
		{ 6123, "6.123" }, { 6023, "6.023" }, { 6003, "6.003" },
		{ 6103, "6.103" }, { 50, "0.05" }, { -1, "-0.001" },
		{ -6100, "-6.1" }, { INT64_MIN, "-9223372036854775.808" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf b;

		buf_init(&b, 100);
		number_add_milli(&b, rows[i].milli);
		assert_string_equal(buf_string(&b), rows[i].text);
		buf_finish(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_numbers),
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations),
		cmocka_unit_test(scores),
		cmocka_unit_test(scores_as_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
