#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "mailbox/octets.h"

static const struct {
	const char *text;
	uint64_t    octets;
} rows[] = {
	{ "", 0 },
	{ "\n", 2 },
	{ "\r\n", 2 },
	{ "\n\n\n", 6 },
	{ "a\nb\n", 6 },
	{ "a\r\nb\r\n", 6 },
	{ "a\r\nb\n", 6 },
	{ "\r\r\n", 3 },
	{ "a\rb\n", 5 },
	{ "a", 3 },          /* a last line without its end */
	{ "a\nb", 6 },
	{ "a\r", 3 },        /* the CR is half of it */
	{ "\r", 2 },
	{ "\n\r", 4 },
	{ "\r\n\r", 4 },
	{ ".\n..\n", 7 },    /* dots are not doubled */
};

/* The text in two pieces at every place, and byte by byte: always the same. */
static void
test_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes  text = bytes_of(rows[i].text);
		struct octets bytewise = { 0 };

		for (size_t cut = 0; cut <= text.n; cut++) {
			struct octets o = { 0 };

			octets_feed(&o, bytes_first(text, cut));
			octets_feed(&o, bytes_from(text, cut));
			assert_int_equal(octets_end(&o), rows[i].octets);
		}
		for (size_t k = 0; k < text.n; k++)
			octets_feed(&bytewise, bytes_first(bytes_from(text, k), 1));
		assert_int_equal(octets_end(&bytewise), rows[i].octets);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_cut) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
