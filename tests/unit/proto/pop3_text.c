#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/pop3_text.h"

enum { OUT_MAX = 64 * 1024 };

/* In pieces of that size. */
static void
convert(struct buf *out, struct bytes stored, uint64_t lines, size_t every)
{
	struct pop3_text t = pop3_text_of(lines);

	buf_init(out, OUT_MAX);
	while (stored.n > 0) {
		struct bytes piece = bytes_first(stored, every);
		size_t       before = out->len;

		pop3_text_add(&t, piece, out);
		assert_true(out->len - before <= 2 * piece.n);
		stored = bytes_from(stored, piece.n);
	}
	pop3_text_end(&t, out);
	assert_false(out->failed);
}

static void
expect(struct bytes stored, uint64_t lines, struct bytes wire)
{
	struct buf out;

	for (size_t every = 1; every <= stored.n + 1; every++) {
		convert(&out, stored, lines, every);
		if (!bytes_equal(buf_bytes(&out), wire))
			fail_msg("%.*s\nby %zu: %.*s", BYTES_ARG(stored), every,
			    BYTES_ARG(buf_bytes(&out)));
		buf_finish(&out);
	}
}

static void
test_whole(void **state)
{
	static const struct {
		struct bytes stored, wire;
	} rows[] = {
		{ { NULL, 0 }, BYTES_INIT(".\r\n") },
		{ BYTES_INIT("a\n"), BYTES_INIT("a\r\n.\r\n") },
		{ BYTES_INIT("a"), BYTES_INIT("a\r\n.\r\n") },
		{ BYTES_INIT("a\r\n"), BYTES_INIT("a\r\n.\r\n") },
		{ BYTES_INIT("a\r"), BYTES_INIT("a\r\n.\r\n") },
		{ BYTES_INIT("\r"), BYTES_INIT("\r\n.\r\n") },
		{ BYTES_INIT("\n"), BYTES_INIT("\r\n.\r\n") },
		{ BYTES_INIT("\n\n"), BYTES_INIT("\r\n\r\n.\r\n") },
		{ BYTES_INIT("\r\n\n\r\n"), BYTES_INIT("\r\n\r\n\r\n.\r\n") },
		{ BYTES_INIT("a\rb\r\r\nc"), BYTES_INIT("a\rb\r\r\nc\r\n.\r\n") },
		{ BYTES_INIT("a\n\rb\n"), BYTES_INIT("a\r\n\rb\r\n.\r\n") },
		{ BYTES_INIT("."), BYTES_INIT("..\r\n.\r\n") },
		{ BYTES_INIT(".\n"), BYTES_INIT("..\r\n.\r\n") },
		{ BYTES_INIT(".\r\n."), BYTES_INIT("..\r\n..\r\n.\r\n") },
		{ BYTES_INIT("..\n...\na.\n"),
		    BYTES_INIT("...\r\n....\r\na.\r\n.\r\n") },
		/* behind a CR that ends no line there is no beginning of one */
		{ BYTES_INIT("a\r.b\n"), BYTES_INIT("a\r.b\r\n.\r\n") },
		{ BYTES_INIT("\r.\n"), BYTES_INIT("\r.\r\n.\r\n") },
		{ BYTES_INIT("a\0b\n\xff\n"), BYTES_INIT("a\0b\r\n\xff\r\n.\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		expect(rows[i].stored, POP3_TEXT_WHOLE, rows[i].wire);
}

static void
test_top(void **state)
{
	static const struct {
		struct bytes stored;
		uint64_t     lines;
		struct bytes wire;
	} rows[] = {
		{ BYTES_INIT("H: 1\n\nb1\nb2\n"), 0, BYTES_INIT("H: 1\r\n\r\n.\r\n") },
		{ BYTES_INIT("H: 1\n\nb1\nb2\n"), 1,
		    BYTES_INIT("H: 1\r\n\r\nb1\r\n.\r\n") },
		{ BYTES_INIT("H: 1\n\nb1\nb2\n"), 2,
		    BYTES_INIT("H: 1\r\n\r\nb1\r\nb2\r\n.\r\n") },
		{ BYTES_INIT("H: 1\n\nb1\nb2\n"), 3,
		    BYTES_INIT("H: 1\r\n\r\nb1\r\nb2\r\n.\r\n") },
		{ BYTES_INIT("H: 1\n\nb1\nb2"), 2,
		    BYTES_INIT("H: 1\r\n\r\nb1\r\nb2\r\n.\r\n") },
		/* blank lines of the body count */
		{ BYTES_INIT("H: 1\n\n\n\nb\n"), 2,
		    BYTES_INIT("H: 1\r\n\r\n\r\n\r\n.\r\n") },
		{ BYTES_INIT("H: 1\r\n\r\nb1\r\nb2\r\n"), 1,
		    BYTES_INIT("H: 1\r\n\r\nb1\r\n.\r\n") },
		{ BYTES_INIT("H: 1\n\n.\nb\n"), 1,
		    BYTES_INIT("H: 1\r\n\r\n..\r\n.\r\n") },
		/* no blank line: all of it is header section */
		{ BYTES_INIT("H: 1\nH: 2\n"), 0, BYTES_INIT("H: 1\r\nH: 2\r\n.\r\n") },
		{ BYTES_INIT("H: 1"), 0, BYTES_INIT("H: 1\r\n.\r\n") },
		/* no header section */
		{ BYTES_INIT("\nb1\nb2\n"), 1, BYTES_INIT("\r\nb1\r\n.\r\n") },
		/* neither a blank nor a CR makes a blank line */
		{ BYTES_INIT("H: 1\n \n\r\r\nb\n"), 0,
		    BYTES_INIT("H: 1\r\n \r\n\r\r\nb\r\n.\r\n") },
		{ { NULL, 0 }, 0, BYTES_INIT(".\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		expect(rows[i].stored, rows[i].lines, rows[i].wire);
}

static void
test_done(void **state)
{
	struct pop3_text t = pop3_text_of(1);
	struct buf       out;

	(void)state;
	buf_init(&out, OUT_MAX);
	pop3_text_add(&t, BYTES("H: 1\n\nb1"), &out);
	assert_false(t.is_done);
	pop3_text_add(&t, BYTES("\nb2\n"), &out);
	assert_true(t.is_done);
	pop3_text_add(&t, BYTES("b3\n"), &out);
	assert_true(bytes_equal(buf_bytes(&out), BYTES("H: 1\r\n\r\nb1\r\n")));
	buf_finish(&out);
}

static void
test_no_room(void **state)
{
	struct pop3_text t = pop3_text_of(POP3_TEXT_WHOLE);
	struct buf       out;

	(void)state;
	buf_init(&out, 8);
	pop3_text_add(&t, BYTES("12345\n"), &out);
	assert_true(out.failed);
	assert_int_equal(out.len, 0);
	buf_finish(&out);
}

/* Byte by byte, looking back only: what RFC 1939 section 3 says and no more. */
static void
convert_plainly(struct buf *out, struct bytes stored)
{
	char last = '\n';

	buf_init(out, OUT_MAX);
	for (size_t i = 0; i < stored.n; i++) {
		if (last == '\n' && stored.p[i] == '.')
			buf_add_char(out, '.');
		if (last != '\r' && stored.p[i] == '\n')
			buf_add_char(out, '\r');
		buf_add_char(out, last = stored.p[i]);
	}
	if (last != '\n')
		buf_add_string(out, last == '\r' ? "\n" : "\r\n");
	buf_add_string(out, ".\r\n");
}

/* All texts of up to 7 bytes of the alphabet that matters. */
static void
test_all_short_texts(void **state)
{
	static const char alphabet[] = "a.\r\n";

	(void)state;
	for (unsigned n = 0; n <= 7; n++)
		for (unsigned code = 0; code < 1u << (2 * n); code++) {
			char         text[7] = { 0 };
			struct bytes stored = { text, n };
			struct buf   plain;

			for (unsigned i = 0; i < n; i++)
				text[i] = alphabet[code >> (2 * i) & 3];
			convert_plainly(&plain, stored);
			expect(stored, POP3_TEXT_WHOLE, buf_bytes(&plain));
			buf_finish(&plain);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_done),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_all_short_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
