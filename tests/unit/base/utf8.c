#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"

static void
plain(void **state)
{
	static const struct {
		struct bytes text;
		bool         is_plain;
	} rows[] = {
		{ BYTES_INIT(""), true },
		{ BYTES_INIT("abc ~"), true },
		{ BYTES_INIT("\xc2\xa0"), true },
		{ BYTES_INIT("\xdf\xbf"), true },
		{ BYTES_INIT("\xe0\xa0\x80"), true },
		{ BYTES_INIT("\xed\x9f\xbf"), true },
		{ BYTES_INIT("\xee\x80\x80"), true },
		{ BYTES_INIT("\xf0\x90\x80\x80"), true },
		{ BYTES_INIT("\xf4\x8f\xbf\xbf"), true },
		/* no first byte */
		{ BYTES_INIT("\x80"), false },
		{ BYTES_INIT("a\xbf"), false },
		{ BYTES_INIT("\xf8\x88\x80\x80\x80"), false },
		{ BYTES_INIT("\xfe"), false },
		{ BYTES_INIT("\xff"), false },
		/* cut off, or another character too early */
		{ BYTES_INIT("\xc3"), false },
		{ BYTES_INIT("\xe2\x82"), false },
		{ BYTES_INIT("\xf0\x9f\x98"), false },
		{ BYTES_INIT("\xc3""a"), false },
		{ BYTES_INIT("\xe2\x82""a"), false },
		{ BYTES_INIT("\xe2\xc3\xa9"), false },
		/* longer than need be */
		{ BYTES_INIT("\xc0\x80"), false },
		{ BYTES_INIT("\xc1\xbf"), false },
		{ BYTES_INIT("\xe0\x9f\xbf"), false },
		{ BYTES_INIT("\xf0\x8f\xbf\xbf"), false },
		/* surrogates, and beyond Unicode */
		{ BYTES_INIT("\xed\xa0\x80"), false },
		{ BYTES_INIT("\xed\xbf\xbf"), false },
		{ BYTES_INIT("\xf4\x90\x80\x80"), false },
		/* controls */
		{ BYTES_INIT("\0"), false },
		{ BYTES_INIT("a\n"), false },
		{ BYTES_INIT("\x1f"), false },
		{ BYTES_INIT("\x7f"), false },
		{ BYTES_INIT("\xc2\x80"), false },
		{ BYTES_INIT("\xc2\x9f"), false },
		/* directions, ends of lines, the mark of byte order */
		{ BYTES_INIT("\xd8\x9c"), false },
		{ BYTES_INIT("\xe2\x80\x8e"), false },
		{ BYTES_INIT("\xe2\x80\xa8"), false },
		{ BYTES_INIT("\xe2\x80\xae"), false },
		{ BYTES_INIT("\xe2\x81\xa6"), false },
		{ BYTES_INIT("\xe2\x81\xa9"), false },
		{ BYTES_INIT("\xef\xbb\xbf"), false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (utf8_is_plain(rows[i].text) != rows[i].is_plain)
			fail_msg("row %zu", i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
