#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/shadow.h"

enum { TODAY = 20000 };

struct row {
	const char *line;
	const char *hash;
	bool        is_locked;
	bool        is_expired;
	bool        has_hash;
};

static const struct row rows[] = {
	{ "jo:$y$j9T$a$b:19000:0:99999:7:::", "$y$j9T$a$b", false, false, true },
	{ "jo:$6$a$b:19000::::::", "$6$a$b", false, false, true },
	{ "jo:abJnggxhB/yWI:::::::", "abJnggxhB/yWI", false, false, true },
	/* no password */
	{ "jo::19000:0:99999:7:::", "", true, false, false },
	{ "jo:!:19000:0:99999:7:::", "!", true, false, false },
	{ "jo:!!:19000:0:99999:7:::", "!!", true, false, false },
	{ "jo:*:19000:0:99999:7:::", "*", true, false, false },
	{ "jo:!$6$a$b:19000:0:99999:7:::", "!$6$a$b", true, false, true },
	{ "jo:!*:19000::::::", "!*", true, false, false },
	{ "jo:*LK*$6$a$b:19000::::::", "*LK*$6$a$b", true, false, true },
	/* expired: from that day on */
	{ "jo:$6$a$b:19000:0:99999:7::19999:", "$6$a$b", false, true, true },
	{ "jo:$6$a$b:19000:0:99999:7::20000:", "$6$a$b", false, true, true },
	{ "jo:$6$a$b:19000:0:99999:7::20001:", "$6$a$b", false, false, true },
	{ "jo:$6$a$b:19000:0:99999:7::0:", "$6$a$b", false, true, true },
	{ "jo:$6$a$b:19000:0:99999:7::-1:", "$6$a$b", false, false, true },
	{ "jo:$6$a$b:19000:0:99999:7::18446744073709551615:", "$6$a$b", false, false, true },
	{ "jo:!$6$a$b:19000:0:99999:7::1:", "!$6$a$b", true, true, true },
	/* the other fields decide nothing: an old password, an inactive account */
	{ "jo:$6$a$b:1:1:1:1:1::1", "$6$a$b", false, false, true },
	{ "jo:$6$a$b:-1:x:-1:-1:-1:-1:what", "$6$a$b", false, false, true },
};

static void
test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row   *row = &rows[i];
		struct shadow_entry e;
		struct buf          b;

		if (!shadow_parse_line(bytes_of(row->line), &e))
			fail_msg("%s", row->line);
		assert_true(bytes_equal(e.name, BYTES("jo")));
		assert_true(bytes_equal(e.hash, bytes_of(row->hash)));
		assert_int_equal(shadow_is_locked(&e), row->is_locked);
		assert_int_equal(shadow_is_expired(&e, TODAY), row->is_expired);
		assert_int_equal(shadow_has_hash(&e), row->has_hash);
		assert_int_equal(shadow_is_open(&e, TODAY),
		    !row->is_locked && !row->is_expired);
		/* written as it was */
		buf_init(&b, 1000);
		shadow_add_line(&b, &e);
		assert_int_equal(b.p[b.len - 1], '\n');
		b.len--;
		assert_string_equal(buf_string(&b), row->line);
		buf_finish(&b);
	}
}

static const struct bytes bad[] = {
	BYTES_INIT(""),
	BYTES_INIT("jo"),
	BYTES_INIT("jo:$6$a$b"),
	BYTES_INIT("jo:$6$a$b:19000:0:99999:7::"),    /* eight */
	BYTES_INIT("jo:$6$a$b:19000:0:99999:7::::"),  /* ten */
	BYTES_INIT("jo:x:1:1::/home/jo:/bin/sh"),     /* of another file */
	BYTES_INIT(":$6$a$b:19000:0:99999:7:::"),
	BYTES_INIT("Jo:$6$a$b:19000:0:99999:7:::"),
	BYTES_INIT("jo :$6$a$b:19000:0:99999:7:::"),
	BYTES_INIT("../jo:$6$a$b:19000:0:99999:7:::"),
	BYTES_INIT("jo:$6$a$b:19000:0:99999:7::tomorrow:"),
	BYTES_INIT("jo:$6$a$b:19000:0:99999:7:: 1:"),
	BYTES_INIT("jo:$6$a$b:19000:0:99999:7::-2:"),
	BYTES_INIT("jo:$6$a$b:19000:0:99999:7::18446744073709551616:"),
	BYTES_INIT("jo:$6$a$b:19000:0:99999:7:::\r"),
	BYTES_INIT("jo:$6$a\0$b:19000:0:99999:7:::"),
	BYTES_INIT("jo:$6$a\x7f$b:19000:0:99999:7:::"),
};

static void
test_bad_lines(void **state)
{
	struct shadow_entry e = { .expire_day = 7 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (shadow_parse_line(bad[i], &e))
			fail_msg("%.*s", BYTES_ARG(bad[i]));
	assert_int_equal(e.expire_day, 7); /* untouched */
}

static const char file[] =
    "# passwords\n"
    "jo:1:19000::::::\n"
    "\n"
    "al:broken\n"
    "joe:2:19000::::::\n"
    "#al:3:19000::::::\n"
    "jo:4:19000::::::"; /* no LF; the first one counts */

static void
test_find(void **state)
{
	struct shadow_entry e = { 0 };

	(void)state;
	assert_true(shadow_find(bytes_of(file), BYTES("jo"), &e));
	assert_true(bytes_equal(e.hash, BYTES("1")));
	assert_true(shadow_find(bytes_of(file), BYTES("joe"), &e));
	assert_true(bytes_equal(e.hash, BYTES("2")));
	assert_false(shadow_find(bytes_of(file), BYTES("j"), &e));
	assert_false(shadow_find(bytes_of(file), BYTES("al"), &e));
	assert_false(shadow_find(bytes_of(file), BYTES("#al"), &e));
	/* a broken line has an empty name: that finds nothing */
	assert_false(shadow_find(bytes_of(file), BYTES(""), &e));
	assert_true(bytes_equal(e.hash, BYTES("2")));
}

static void
test_next(void **state)
{
	static const unsigned lines[] = { 2, 4, 5, 7 };
	struct bytes          rest = bytes_of(file);
	struct shadow_entry   e;
	unsigned              line = 0;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(shadow_next(&rest, &e, &line));
		assert_int_equal(line, lines[i]);
		assert_int_equal(e.name.n == 0, lines[i] == 4);
	}
	assert_false(shadow_next(&rest, &e, &line));
}

static const struct {
	const char *text;
	const char *name;
	const char *set;
	const char *removed;
} changes[] = {
	{ "", "jo", "jo:H:1::::::\n", "" },
	{ "jo:x:0::::::\n", "jo", "jo:H:1::::::\n", "" },
	{ "jo:x:0::::::", "jo", "jo:H:1::::::\n", "" },
	/* in its place; comments, empty and broken lines, and a missing LF */
	{ "# a\njo:x:0::::::\n\nbroken\nal:y:0::::::", "jo",
	    "# a\njo:H:1::::::\n\nbroken\nal:y:0::::::\n",
	    "# a\n\nbroken\nal:y:0::::::\n" },
	{ "joe:x:0::::::\n#jo:x:0::::::\njo:broken\n", "jo",
	    "joe:x:0::::::\n#jo:x:0::::::\njo:broken\njo:H:1::::::\n",
	    "joe:x:0::::::\n#jo:x:0::::::\njo:broken\n" },
	/* a second line would come to life when the first one goes */
	{ "jo:x:0::::::\nal:y:0::::::\njo:z:0::::::\n", "jo",
	    "jo:H:1::::::\nal:y:0::::::\n", "al:y:0::::::\n" },
};

static void
test_change(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		struct bytes        text = bytes_of(changes[i].text);
		struct bytes        name = bytes_of(changes[i].name);
		struct shadow_entry entry = {
			.name = name, .hash = BYTES_INIT("H"), .rest = BYTES_INIT("1::::::"),
		};
		struct buf          b;

		buf_init(&b, 1000);
		shadow_add_changed(&b, text, name, &entry);
		assert_string_equal(buf_string(&b), changes[i].set);
		buf_clear(&b);
		shadow_add_changed(&b, text, name, NULL);
		assert_string_equal(buf_string(&b), changes[i].removed);
		buf_finish(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
