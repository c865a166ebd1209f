#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/base64.h"

enum { ROOM = 4096 };

struct row {
	struct bytes data, text;
};

/* The first seven are the vectors of RFC 4648 section 10; the others were made with base64(1). */
static const struct row rows[] = {
	{ BYTES_INIT(""), BYTES_INIT("") },
	{ BYTES_INIT("f"), BYTES_INIT("Zg==") },
	{ BYTES_INIT("fo"), BYTES_INIT("Zm8=") },
	{ BYTES_INIT("foo"), BYTES_INIT("Zm9v") },
	{ BYTES_INIT("foob"), BYTES_INIT("Zm9vYg==") },
	{ BYTES_INIT("fooba"), BYTES_INIT("Zm9vYmE=") },
	{ BYTES_INIT("foobar"), BYTES_INIT("Zm9vYmFy") },
	{ BYTES_INIT("\0"), BYTES_INIT("AA==") },
	{ BYTES_INIT("\xff"), BYTES_INIT("/w==") },
	{ BYTES_INIT("\xfb\xff\xbf"), BYTES_INIT("+/+/") },
	{ BYTES_INIT("\xff\xff\xff"), BYTES_INIT("////") },
	{ BYTES_INIT("\0alice\0wonderland"),
	    BYTES_INIT("AGFsaWNlAHdvbmRlcmxhbmQ=") },
};

static void
assert_bytes(struct buf *b, struct bytes wanted)
{
	assert_false(b->failed);
	assert_int_equal(b->len, wanted.n);
	if (wanted.n > 0)
		assert_memory_equal(b->p, wanted.p, wanted.n);
}

static void
known_values_both_ways(void **state)
{
	struct buf text, data;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		buf_init(&text, ROOM);
		buf_init(&data, ROOM);
		base64_add(&text, rows[i].data);
		assert_bytes(&text, rows[i].text);
		assert_true(base64_parse(rows[i].text, &data));
		assert_bytes(&data, rows[i].data);
		buf_finish(&text);
		buf_finish(&data);
	}
}

static void
every_byte_at_every_place(void **state)
{
	struct buf text, data;
	char       bytes[3] = { 0 };

	(void)state;
	buf_init(&text, ROOM);
	buf_init(&data, ROOM);
	for (size_t n = 1; n <= sizeof bytes; n++)
		for (size_t place = 0; place < n; place++)
			for (int byte = 0; byte < 256; byte++) {
				struct bytes in = { bytes, n };

				memset(bytes, 0x5a, sizeof bytes);
				bytes[place] = (char)byte;
				buf_clear(&text);
				buf_clear(&data);
				base64_add(&text, in);
				assert_int_equal(text.len, 4);
				assert_true(base64_parse(buf_bytes(&text), &data));
				assert_bytes(&data, in);
			}
	buf_finish(&text);
	buf_finish(&data);
}

static void
text_is_added_behind_what_is_there(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, ROOM);
	buf_add_string(&b, "334 ");
	base64_add(&b, BYTES("foob"));
	assert_bytes(&b, BYTES("334 Zm9vYg=="));
	buf_clear(&b);
	buf_add_string(&b, "x");
	assert_true(base64_parse(BYTES("Zm9v"), &b));
	assert_bytes(&b, BYTES("xfoo"));
	buf_finish(&b);
}

static void
anything_else_is_refused(void **state)
{
	static const struct bytes bad[] = {
		BYTES_INIT("Z"),
		BYTES_INIT("Zg"),       /* the padding is missing, in part or whole */
		BYTES_INIT("Zg="),
		BYTES_INIT("Zm8"),
		BYTES_INIT("Zm9vYg"),
		BYTES_INIT("Z==="),     /* and too much of it */
		BYTES_INIT("===="),
		BYTES_INIT("="),
		BYTES_INIT("=="),
		BYTES_INIT("==="),
		BYTES_INIT("Zm9v===="),
		BYTES_INIT("Zm9v="),
		BYTES_INIT("Zm9vYg==="),
		BYTES_INIT("=Zm9"),     /* or at the wrong place */
		BYTES_INIT("Z=g="),
		BYTES_INIT("Zg=g"),
		BYTES_INIT("Zg==Zg=="),
		BYTES_INIT("Zm8=Zm9v"),
		BYTES_INIT("Zh=="),     /* bits left over */
		BYTES_INIT("Zv=="),
		BYTES_INIT("Zm9="),
		BYTES_INIT("Zm/="),
		BYTES_INIT("Zm9 "),     /* no such characters */
		BYTES_INIT(" Zm9v"),
		BYTES_INIT("Zm9v "),
		BYTES_INIT("Zm 9"),
		BYTES_INIT("Zm9v\n"),
		BYTES_INIT("Zm9v\r\n\r\n"),
		BYTES_INIT("Zm9-"),
		BYTES_INIT("Zm9_"),
		BYTES_INIT("Zm9\0"),
		BYTES_INIT("\0\0\0\0"),
		BYTES_INIT("Zm9\x80"),
		BYTES_INIT("Zm\xc3\xa9"),
		BYTES_INIT("*"),
		BYTES_INIT("****"),
	};
	struct buf out;

	(void)state;
	buf_init(&out, ROOM);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (base64_parse(bad[i], &out))
			fail_msg("taken: %.*s", BYTES_ARG(bad[i]));
	buf_finish(&out);
}

/* Of all characters at all four places, the 64 and nothing else. */
static void
only_its_characters(void **state)
{
	struct buf out;
	int        taken = 0;

	(void)state;
	buf_init(&out, ROOM);
	for (size_t place = 0; place < 4; place++)
		for (int byte = 0; byte < 256; byte++) {
			char         text[] = "AAAA";
			struct bytes in = { text, 4 };

			text[place] = (char)byte;
			buf_clear(&out);
			taken += base64_parse(in, &out);
		}
	assert_int_equal(taken, 4 * 64 + 1); /* "AAA=" */
	buf_finish(&out);
}

static void
the_maximum_holds(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 5);
	assert_false(base64_parse(BYTES("Zm9vYmFy"), &out));
	buf_clear(&out);
	assert_true(base64_parse(BYTES("Zm9vYmE="), &out));
	buf_clear(&out);
	base64_add(&out, BYTES("foob"));
	assert_true(out.failed);
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values_both_ways),
		cmocka_unit_test(every_byte_at_every_place),
		cmocka_unit_test(text_is_added_behind_what_is_there),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(only_its_characters),
		cmocka_unit_test(the_maximum_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
