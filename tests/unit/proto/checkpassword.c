#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/checkpassword.h"

struct row {
	struct bytes text;
	const char  *name; /* NULL: no such form */
	const char  *password;
};

static const struct row rows[] = {
	{ BYTES_INIT("cave\0sesame\0xxx\0"), "cave", "sesame" },
	{ BYTES_INIT("cave\0sesame\0\0"), "cave", "sesame" },
	{ BYTES_INIT("cave\0sesame\0<1.2@host>\0more\0and more"), "cave", "sesame" },
	{ BYTES_INIT("cave\0sesame\0xxx\0more"), "cave", "sesame" },
	{ BYTES_INIT("cave\0\0xxx\0"), "cave", "" },
	{ BYTES_INIT("\0sesame\0xxx\0"), "", "sesame" },
	{ BYTES_INIT("\0\0\0"), "", "" },
	{ BYTES_INIT("ca ve\n\0\xff\n:\0xxx\0"), "ca ve\n", "\xff\n:" },
	{ BYTES_INIT(""), NULL, NULL },
	{ BYTES_INIT("cave"), NULL, NULL },
	{ BYTES_INIT("cave\0"), NULL, NULL },
	{ BYTES_INIT("cave\0sesame"), NULL, NULL },
	{ BYTES_INIT("cave\0sesame\0"), NULL, NULL },
	{ BYTES_INIT("cave\0sesame\0xxx"), NULL, NULL },
	{ BYTES_INIT("cave sesame xxx\n"), NULL, NULL },
};

static void
test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct checkpassword c = { .name = BYTES_INIT("untouched") };
		bool                 is_good = checkpassword_parse(rows[i].text, &c);

		assert_int_equal(is_good, rows[i].name != NULL);
		if (!is_good) {
			assert_true(bytes_equal(c.name, BYTES("untouched")));
			continue;
		}
		assert_true(bytes_equal(c.name, bytes_of(rows[i].name)));
		assert_true(bytes_equal(c.password, bytes_of(rows[i].password)));
	}
}

/* 512 bytes in all, of which three are NUL. */
static void
test_length(void **state)
{
	struct checkpassword c;
	char                 text[513];
	struct buf           b;

	(void)state;
	memset(text, 'x', sizeof text);
	text[4] = text[510] = text[511] = '\0';
	assert_true(checkpassword_parse((struct bytes){ text, 512 }, &c));
	assert_int_equal(c.password.n, 505);
	assert_false(checkpassword_parse((struct bytes){ text, 513 }, &c));
	memset(text, 'x', sizeof text);
	buf_init(&b, 1000);
	assert_true(checkpassword_add(&b, BYTES("cave"), (struct bytes){ text, 505 }));
	assert_int_equal(b.len, 512);
	assert_true(checkpassword_parse(buf_bytes(&b), &c));
	buf_clear(&b);
	assert_false(checkpassword_add(&b, BYTES("cave"), (struct bytes){ text, 506 }));
	assert_true(checkpassword_add(&b, (struct bytes){ text, 509 }, BYTES("")));
	buf_clear(&b);
	assert_false(checkpassword_add(&b, (struct bytes){ text, 510 }, BYTES("")));
	assert_int_equal(b.len, 0);
	buf_finish(&b);
}

static void
test_add(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_true(checkpassword_add(&b, BYTES("cave"), BYTES("sesame")));
	assert_true(bytes_equal(buf_bytes(&b), BYTES("cave\0sesame\0\0")));
	buf_clear(&b);
	/* a NUL would move the password */
	assert_false(checkpassword_add(&b, BYTES("ca\0ve"), BYTES("sesame")));
	assert_false(checkpassword_add(&b, BYTES("cave"), BYTES("ses\0ame")));
	assert_int_equal(b.len, 0);
	buf_finish(&b);
	buf_init(&b, 5);
	assert_false(checkpassword_add(&b, BYTES("cave"), BYTES("sesame")));
	buf_finish(&b);
}

static void
test_is_possible(void **state)
{
	static char long_password[CHECKPASSWORD_MAX];
	static const struct {
		struct checkpassword login;
		bool                 is_possible;
	} logins[] = {
		{ { BYTES_INIT("cave"), BYTES_INIT("sesame") }, true },
		{ { BYTES_INIT("cave"), BYTES_INIT("") }, true },
		{ { BYTES_INIT(""), BYTES_INIT("sesame") }, false },
		{ { BYTES_INIT("cave"), BYTES_INIT("ses\0ame") }, false },
		{ { BYTES_INIT("ca\0ve"), BYTES_INIT("sesame") }, false },
		{ { BYTES_INIT("cave"), { long_password, 505 } }, true },
		{ { BYTES_INIT("cave"), { long_password, 506 } }, false },
	};

	(void)state;
	memset(long_password, 'x', sizeof long_password);
	for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++)
		assert_int_equal(checkpassword_is_possible(&logins[i].login),
		    logins[i].is_possible);
}

/* Every octet becomes a letter that no program takes for anything else. */
static void
test_probe(void **state)
{
	char text[CHECKPASSWORD_PROBE];

	(void)state;
	for (int first = 0; first < 256; first += CHECKPASSWORD_PROBE) {
		for (int i = 0; i < CHECKPASSWORD_PROBE; i++)
			text[i] = (char)(first + i);
		checkpassword_probe(text);
		assert_memory_equal(
		    text, "abcdefghijklmnopqrstuvwxyz234567", CHECKPASSWORD_PROBE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_is_possible),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
