#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <string.h>

#include "base/bytes.h"

static const struct bytes none; /* p is NULL */

static void
comparing(void **state)
{
	static const struct {
		struct bytes a, b;
		int          order; /* its sign */
		bool         nocase;
	} rows[] = {
		{ BYTES_INIT(""), BYTES_INIT(""), 0, true },
		{ BYTES_INIT("a"), BYTES_INIT("a"), 0, true },
		{ BYTES_INIT("a"), BYTES_INIT("A"), 1, true },
		{ BYTES_INIT("a"), BYTES_INIT("b"), -1, false },
		{ BYTES_INIT("a"), BYTES_INIT("ab"), -1, false },
		{ BYTES_INIT("b"), BYTES_INIT("ab"), 1, false },
		{ BYTES_INIT("a\0b"), BYTES_INIT("a\0B"), 1, true },
		{ BYTES_INIT("a\0b"), BYTES_INIT("a\0c"), -1, false },
		{ BYTES_INIT("\xe9"), BYTES_INIT("\xc9"), 1, false },
		{ BYTES_INIT("["), BYTES_INIT("{"), -1, false },
		{ BYTES_INIT("@"), BYTES_INIT("`"), -1, false },
		{ BYTES_INIT("a"), BYTES_INIT("\xff"), -1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int order = bytes_compare(rows[i].a, rows[i].b);
		int back = bytes_compare(rows[i].b, rows[i].a);

		assert_int_equal((order > 0) - (order < 0), rows[i].order);
		assert_int_equal((back > 0) - (back < 0), -rows[i].order);
		assert_int_equal(bytes_equal(rows[i].a, rows[i].b),
		    rows[i].order == 0);
		assert_int_equal(bytes_equal_nocase(rows[i].a, rows[i].b),
		    rows[i].nocase);
	}
	assert_true(bytes_equal(none, BYTES("")));
	assert_int_equal(bytes_compare(none, BYTES("")), 0);
	assert_true(bytes_equal(bytes_of(NULL), none));
	assert_int_equal(bytes_of("abc").n, 3);
}

static void
starts(void **state)
{
	(void)state;
	assert_true(bytes_start(BYTES("abc"), BYTES("")));
	assert_true(bytes_start(BYTES("abc"), BYTES("ab")));
	assert_true(bytes_start(BYTES("abc"), BYTES("abc")));
	assert_false(bytes_start(BYTES("abc"), BYTES("abcd")));
	assert_false(bytes_start(BYTES("abc"), BYTES("AB")));
	assert_true(bytes_start(none, BYTES("")));
	assert_false(bytes_start(none, BYTES("a")));
	assert_true(bytes_start_nocase(BYTES("abc"), BYTES("AB")));
	assert_false(bytes_start_nocase(BYTES("abc"), BYTES("b")));
}

static void
finding_and_cutting(void **state)
{
	const struct bytes b = BYTES("a.b.c");

	(void)state;
	assert_int_equal(bytes_find(b, '.'), 1);
	assert_int_equal(bytes_find_last(b, '.'), 3);
	assert_int_equal(bytes_find(b, 'x'), 5);
	assert_int_equal(bytes_find_last(b, 'x'), 5);
	assert_int_equal(bytes_find(none, 'x'), 0);
	assert_int_equal(bytes_find_last(none, 'x'), 0);
	assert_true(bytes_equal(bytes_from(b, 2), BYTES("b.c")));
	assert_true(bytes_equal(bytes_from(b, 5), BYTES("")));
	assert_true(bytes_equal(bytes_from(b, SIZE_MAX), BYTES("")));
	assert_ptr_equal(bytes_from(b, 99).p, b.p + 5);
	assert_true(bytes_equal(bytes_from(none, 9), BYTES("")));
	assert_true(bytes_equal(bytes_first(b, 1), BYTES("a")));
	assert_true(bytes_equal(bytes_first(b, SIZE_MAX), b));
}

static void
trimming(void **state)
{
	(void)state;
	assert_true(bytes_equal(bytes_trim(BYTES(" \ta b\t ")), BYTES("a b")));
	assert_true(bytes_equal(bytes_trim(BYTES("\na\r")), BYTES("\na\r")));
	assert_true(bytes_equal(bytes_trim(BYTES(" \t ")), BYTES("")));
	assert_true(bytes_equal(bytes_trim(none), BYTES("")));
}

static void
splitting(void **state)
{
	static const struct {
		const char *text;
		const char *pieces; /* joined by '|', each with one behind it */
	} rows[] = {
		{ "", "" },
		{ "a", "a|" },
		{ "a,b", "a|b|" },
		{ "a,b,", "a|b|" },
		{ ",a", "|a|" },
		{ ",,", "||" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes rest = bytes_of(rows[i].text), piece;
		char         joined[32] = "";

		while (bytes_split(&rest, ',', &piece)) {
			strncat(joined, piece.p, piece.n);
			strcat(joined, "|");
		}
		assert_string_equal(joined, rows[i].pieces);
	}
}

static void
strings(void **state)
{
	char out[4] = "xyz";

	(void)state;
	assert_true(bytes_to_string(BYTES("abc"), out, sizeof out));
	assert_string_equal(out, "abc");
	assert_false(bytes_to_string(BYTES("abcd"), out, sizeof out));
	assert_string_equal(out, "");
	strcpy(out, "xyz");
	assert_false(bytes_to_string(BYTES("a\0b"), out, sizeof out));
	assert_string_equal(out, "");
	assert_true(bytes_to_string(none, out, sizeof out));
	assert_false(bytes_to_string(none, out, 0));
}

static void
classes_are_ascii(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		char c = (char)i;
		bool upper = i >= 'A' && i <= 'Z', lower = i >= 'a' && i <= 'z';

		assert_int_equal(byte_is_alpha(c), upper || lower);
		assert_int_equal(byte_is_digit(c), i >= '0' && i <= '9');
		assert_int_equal(byte_is_print(c), i >= 0x20 && i <= 0x7e);
		assert_int_equal((unsigned char)byte_lower(c),
		    upper ? i + 32 : i);
	}
	assert_int_equal(bytes_int(7), 7);
	assert_int_equal(bytes_int((size_t)INT_MAX + 1), INT_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comparing),
		cmocka_unit_test(starts),
		cmocka_unit_test(finding_and_cutting),
		cmocka_unit_test(trimming),
		cmocka_unit_test(splitting),
		cmocka_unit_test(strings),
		cmocka_unit_test(classes_are_ascii),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
