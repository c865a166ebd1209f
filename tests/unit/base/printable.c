#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/printable.h"

struct row {
	struct bytes text;
	size_t       max;
	const char  *expected;
};

static void
check(const struct row *rows, size_t n,
    void (*add)(struct buf *, struct bytes, size_t))
{
	for (size_t i = 0; i < n; i++) {
		struct buf b;

		buf_init(&b, 1000);
		add(&b, rows[i].text, rows[i].max);
		assert_string_equal(buf_string(&b), rows[i].expected);
		buf_finish(&b);
	}
}

static void
text(void **state)
{
	static const struct row rows[] = {
		{ BYTES_INIT("plain ~!"), 99, "plain ~!" },
		{ BYTES_INIT("a \t\r\n b"), 99, "a b" },
		{ BYTES_INIT("\r\n250 ok\r\n"), 99, " 250 ok " },
		{ BYTES_INIT("\0\x1b[31m\x7f\x80\xff"), 99, "??[31m???" },
		{ BYTES_INIT("\xc3\xa9"), 99, "??" },
		{ BYTES_INIT("abcdef"), 3, "abc" },
		{ BYTES_INIT("a     b"), 2, "a " },
		{ BYTES_INIT("abc"), 0, "" },
		{ BYTES_INIT(""), 99, "" },
	};

	(void)state;
	check(rows, sizeof rows / sizeof rows[0], printable_add);
}

static void
predicate(void **state)
{
	(void)state;
	assert_true(printable_is(BYTES("")));
	assert_true(printable_is(BYTES("a b ~!")));
	assert_false(printable_is(BYTES("a\tb")));
	assert_false(printable_is(BYTES("a\0")));
	assert_false(printable_is(BYTES("a\x7f")));
	assert_false(printable_is(BYTES("\xc3\xa9")));
}

static void
values(void **state)
{
	static const struct row rows[] = {
		{ BYTES_INIT("a-b_c.d:e/f@g+h=i<j>[k],~9"), 99,
		    "a-b_c.d:e/f@g+h=i<j>[k],~9" },
		{ BYTES_INIT(""), 99, "\"\"" },
		{ BYTES_INIT("a b"), 99, "\"a b\"" },
		{ BYTES_INIT("a\nev=x"), 99, "\"a ev=x\"" },
		{ BYTES_INIT("a\"b\\c"), 99, "\"a\\\"b\\\\c\"" },
		{ BYTES_INIT("a\0"), 99, "\"a?\"" },
		{ BYTES_INIT("a'b"), 99, "\"a'b\"" },
		{ BYTES_INIT("\x1b"), 99, "\"?\"" },
		{ BYTES_INIT("abcdef"), 6, "abcdef" },
		{ BYTES_INIT("abcdef"), 5, "\"abcde\"" },
		{ BYTES_INIT("\"\"\"\""), 2, "\"\\\"\\\"\"" },
	};

	(void)state;
	check(rows, sizeof rows / sizeof rows[0], printable_add_value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text),
		cmocka_unit_test(values),
		cmocka_unit_test(predicate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
