#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "proto/passwd.h"

static void
assert_bytes(struct bytes b, const char *expected)
{
	assert_int_equal(b.n, strlen(expected));
	assert_memory_equal(b.p, expected, b.n);
}

static void
test_line(void **state)
{
	struct passwd_entry e;
	struct buf          b;

	(void)state;
	assert_true(passwd_parse_line(
	    BYTES("jo:secret:1000:100:Jo D\xc3\xa9,,:/home/jo:/bin/sh"), &e));
	assert_bytes(e.name, "jo");
	assert_int_equal(e.uid, 1000);
	assert_int_equal(e.gid, 100);
	assert_bytes(e.gecos, "Jo D\xc3\xa9,,");
	assert_bytes(e.home, "/home/jo");
	assert_bytes(e.shell, "/bin/sh");
	buf_init(&b, 1000);
	passwd_add_line(&b, &e);
	/* never the password */
	assert_string_equal(buf_string(&b),
	    "jo:x:1000:100:Jo D\xc3\xa9,,:/home/jo:/bin/sh\n");
	buf_finish(&b);
	assert_false(passwd_parse_line(BYTES("a:::::/:"), &e));
	assert_true(passwd_parse_line(BYTES("a::0:4294967294::/:"), &e));
	assert_int_equal(e.uid, 0);
	assert_int_equal(e.gid, 4294967294U);
	assert_int_equal(e.shell.n, 0);
}

static const struct bytes bad[] = {
	BYTES_INIT(""),
	BYTES_INIT("jo"),
	BYTES_INIT("jo:x:1:1::/home/jo"),            /* six fields */
	BYTES_INIT("jo:x:1:1::/home/jo:/bin/sh:"),   /* eight */
	BYTES_INIT(":x:1:1::/home/jo:"),
	BYTES_INIT("Jo:x:1:1::/home/jo:"),
	BYTES_INIT("jo:x::1::/home/jo:"),
	BYTES_INIT("jo:x:-1:1::/home/jo:"),
	BYTES_INIT("jo:x: 1:1::/home/jo:"),
	BYTES_INIT("jo:x:1:0x1::/home/jo:"),
	BYTES_INIT("jo:x:4294967295:1::/home/jo:"),  /* (uid_t)-1 */
	BYTES_INIT("jo:x:4294967296:1::/home/jo:"),
	BYTES_INIT("jo:x:1:4294967295::/home/jo:"),
	BYTES_INIT("jo:x:1:1::home/jo:"),
	BYTES_INIT("jo:x:1:1:::"),
	BYTES_INIT("jo:x:1:1::/home/jo:/bin/sh\r"),
	BYTES_INIT("jo:x:1:1::/home/\0jo:"),
	BYTES_INIT("jo:x:1:1:\x1b[m:/home/jo:"),
};

static void
test_bad_lines(void **state)
{
	struct passwd_entry e;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(passwd_parse_line(bad[i], &e));
}

struct name {
	const char *name;
	bool        is_valid;
};

static const struct name names[] = {
	{ "a", true },
	{ "_a", true },
	{ "a-b_c.d9", true },
	{ "abcdefghijklmnopqrstuvwxyz01234", true },   /* 31 */
	{ "abcdefghijklmnopqrstuvwxyz012345", false }, /* 32 */
	{ "", false },
	{ "9a", false },
	{ "-a", false },
	{ ".a", false },
	{ "..", false },
	{ "A", false },
	{ "a/b", false },
	{ "a:b", false },
	{ "a b", false },
	{ "a+b", false },
	{ "\xc3\xa4", false },
};

static void
test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(passwd_name_is_valid(bytes_of(names[i].name)),
		    names[i].is_valid);
}

static const char file[] =
    "# people\n"
    "jo:x:1:2::/home/jo:\n"
    "\n"
    "broken line\n"
    "joe:x:3:4::/home/joe:\n"
    "jo:x:5:6::/home/second:"; /* no LF; the first one counts */

static void
test_find(void **state)
{
	struct passwd_entry e = { 0 };

	(void)state;
	assert_true(passwd_find(bytes_of(file), BYTES("jo"), &e));
	assert_int_equal(e.uid, 1);
	assert_true(passwd_find(bytes_of(file), BYTES("joe"), &e));
	assert_int_equal(e.uid, 3);
	assert_false(passwd_find(bytes_of(file), BYTES("j"), &e));
	assert_false(passwd_find(bytes_of(file), BYTES("broken line"), &e));
	/* a broken line has an empty name: that finds nothing */
	assert_false(passwd_find(bytes_of(file), BYTES(""), &e));
	assert_int_equal(e.uid, 3);
}

static void
test_next(void **state)
{
	static const unsigned lines[] = { 2, 4, 5, 6 };
	static const unsigned uids[] = { 1, 0, 3, 5 };
	struct bytes          rest = bytes_of(file);
	struct passwd_entry   e;
	unsigned              line = 0;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(passwd_next(&rest, &e, &line));
		assert_int_equal(line, lines[i]);
		assert_int_equal(e.uid, uids[i]);
		assert_int_equal(e.name.n == 0, lines[i] == 4);
	}
	assert_false(passwd_next(&rest, &e, &line));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
