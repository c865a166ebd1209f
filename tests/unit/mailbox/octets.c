#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "mailbox/octets.h"
#include "proto/pop3_text.h"

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

/* All texts of up to six of these bytes: as many as RETR sends, less its last line. */
static void
test_agrees_with_retr(void **state)
{
	static const char bytes[] = "\r\na";
	char              text[6];

	(void)state;
	for (unsigned length = 0, texts = 1; length <= 6; length++, texts *= 3)
		for (unsigned k = 0; k < texts; k++) {
			struct bytes     view = { text, length };
			struct octets    o = { 0 };
			struct pop3_text t = pop3_text_of(UINT64_MAX);
			struct buf       out;

			for (unsigned i = 0, rest = k; i < length; i++, rest /= 3)
				text[i] = bytes[rest % 3];
			buf_init(&out, 256);
			pop3_text_add(&t, view, &out);
			pop3_text_end(&t, &out);
			octets_feed(&o, view);
			assert_int_equal(octets_end(&o), out.len - strlen(".\r\n"));
			buf_finish(&out);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_agrees_with_retr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
