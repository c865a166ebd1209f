#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "deliver/tail.h"

static void
expect(const struct tail *t, struct bytes text)
{
	assert_true(bytes_equal(tail_lines(t), text));
}

static void
test_short(void **state)
{
	struct tail t = { .n = 0 };

	(void)state;
	expect(&t, BYTES(""));
	tail_add(&t, BYTES(""));
	tail_add(&t, BYTES("one\ntw"));
	expect(&t, BYTES("one\ntw"));
	tail_add(&t, BYTES("o\n \n\n"));
	expect(&t, BYTES("one\ntwo"));
}

/* Of lines of ten bytes those that fit, whichever way they come. */
static void
test_last_lines(void **state)
{
	static const size_t pieces[] = { 1, 3, 10, 999, 5000 };
	char                text[5000];

	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = i % 10 == 9 ? '\n' : (char)('0' + i / 10 % 10);
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct bytes rest = { text, sizeof text };
		struct tail  t = { .n = 0 };

		for (; rest.n > 0; rest = bytes_from(rest, pieces[i]))
			tail_add(&t, bytes_first(rest, pieces[i]));
		/* 40 of them, without the last line's end */
		expect(&t, (struct bytes){ text + sizeof text - 400, 399 });
	}
}

static void
test_a_long_line(void **state)
{
	char        text[3000];
	struct tail t = { .n = 0 };

	(void)state;
	memset(text, 'x', sizeof text);
	tail_add(&t, (struct bytes){ text, sizeof text });
	expect(&t, (struct bytes){ text, TAIL_TEXT });
	tail_add(&t, BYTES("\nend\n"));
	expect(&t, BYTES("end"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_last_lines),
		cmocka_unit_test(test_a_long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
