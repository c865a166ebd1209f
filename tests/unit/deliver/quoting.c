#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "deliver/quoting.h"

static const struct {
	const char *message, *in_mbox;
} rows[] = {
	{ "", "\n" },
	{ "Subject: a\n\nb\n", "Subject: a\n\nb\n\n" },
	{ "no end", "no end\n\n" },
	{ "\n", "\n\n" },
	{ "From me\n", ">From me\n\n" },
	{ ">From me\n>>From me\n", ">>From me\n>>>From me\n\n" },
	{ "a From me\n From me\n> From me\n", "a From me\n From me\n> From me\n\n" },
	{ "From\nFrom:\nFro\n>Fr\n>\n", "From\nFrom:\nFro\n>Fr\n>\n\n" },
	{ "FFrom me\nFroFrom me\n", "FFrom me\nFroFrom me\n\n" },
	{ "from me\nFrom\tme\n", "from me\nFrom\tme\n\n" },
	{ "x\n\nFrom me\n\nFrom ", "x\n\n>From me\n\n>From \n\n" },
	{ "Fro", "Fro\n\n" },
	{ ">>>", ">>>\n\n" },
	{ "a\nF", "a\nF\n\n" },
	{ "From >From \n>From From \n", ">From >From \n>>From From \n\n" },
};

static void
add_piece(struct quoting *q, struct bytes piece, struct buf *b)
{
	size_t before = b->len;

	quoting_add(q, piece, b);
	assert_true(b->len - before <= 2 * piece.n + QUOTING_HELD);
}

/* However a message is cut into two pieces and the rest, what comes out is the same. */
static void
test_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes message = bytes_of(rows[i].message);

		for (size_t a = 0; a <= message.n; a++)
			for (size_t c = a; c <= message.n; c++) {
				struct quoting q = { .held = 0 };
				struct buf     b;

				buf_init(&b, 4096);
				add_piece(&q, bytes_first(message, a), &b);
				add_piece(&q, bytes_from(
				    bytes_first(message, c), a), &b);
				add_piece(&q, bytes_from(message, c), &b);
				quoting_end(&q, &b);
				assert_string_equal(
				    buf_string(&b), rows[i].in_mbox);
				buf_finish(&b);
			}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
