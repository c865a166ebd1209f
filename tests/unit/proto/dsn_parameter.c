#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/dsn_parameter.h"

static void
test_notify(void **state)
{
	static const struct {
		const char *value;
		bool        ok;
		uint8_t     notify;
		const char *added;
	} rows[] = {
		{ "NEVER", true, NOTIFY_NEVER, " NOTIFY=NEVER" },
		{ "never", true, NOTIFY_NEVER, " NOTIFY=NEVER" },
		{ "SUCCESS", true, NOTIFY_SUCCESS, " NOTIFY=SUCCESS" },
		{ "Delay,failure", true, NOTIFY_DELAY | NOTIFY_FAILURE,
		    " NOTIFY=FAILURE,DELAY" },
		{ "FAILURE,SUCCESS,DELAY", true,
		    NOTIFY_DELAY | NOTIFY_FAILURE | NOTIFY_SUCCESS,
		    " NOTIFY=SUCCESS,FAILURE,DELAY" },
		{ "SUCCESS,SUCCESS", true, NOTIFY_SUCCESS, " NOTIFY=SUCCESS" },
		{ "", false, 0, NULL },
		{ ",", false, 0, NULL },
		{ "SUCCESS,", false, 0, NULL },
		{ ",SUCCESS", false, 0, NULL },
		{ "SUCCESS,,DELAY", false, 0, NULL },
		{ "SUCCESS, DELAY", false, 0, NULL },
		{ "NEVER,SUCCESS", false, 0, NULL },
		{ "DELAY,NEVER", false, 0, NULL },
		{ "SUCCESSFUL", false, 0, NULL },
		{ "NEVER,NEVER", true, NOTIFY_NEVER, " NOTIFY=NEVER" },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t notify = 77;

		if (dsn_notify_parse(bytes_of(rows[i].value), &notify) != rows[i].ok)
			fail_msg("%s", rows[i].value);
		assert_int_equal(notify, rows[i].ok ? rows[i].notify : 77);
		if (!rows[i].ok)
			continue;
		buf_clear(&b);
		dsn_notify_add(&b, notify);
		assert_string_equal(buf_string(&b), rows[i].added);
	}
	buf_clear(&b);
	dsn_notify_add(&b, NOTIFY_UNSET);
	assert_int_equal(b.len, 0);
	buf_finish(&b);
}

static void
test_ret(void **state)
{
	enum envelope_ret ret = RET_UNSET;
	struct buf        b;

	(void)state;
	buf_init(&b, 100);
	assert_false(dsn_ret_parse(BYTES(""), &ret));
	assert_false(dsn_ret_parse(BYTES("FULLY"), &ret));
	assert_int_equal(ret, RET_UNSET);
	dsn_ret_add(&b, ret);
	assert_int_equal(b.len, 0);
	assert_true(dsn_ret_parse(BYTES("full"), &ret));
	dsn_ret_add(&b, ret);
	assert_true(dsn_ret_parse(BYTES("HDRS"), &ret));
	dsn_ret_add(&b, ret);
	assert_string_equal(buf_string(&b), " RET=FULL RET=HDRS");
	buf_finish(&b);
}

static void
test_envid(void **state)
{
	static const struct {
		const char *value, *text, *added;
	} rows[] = {
		{ "QQ314159", "QQ314159", "QQ314159" },
		{ "a+2Bb+3Dc+20d", "a+b=c d", "a+2Bb+3Dc+20d" },
		{ "+41", "A", "A" },
		{ "<x@y>", "<x@y>", "<x@y>" },
		{ "", NULL, NULL },
		{ "+", NULL, NULL },
		{ "+4", NULL, NULL },
		{ "+4g", NULL, NULL },
		{ "+2b", NULL, NULL }, /* upper case digits only */
		{ "+0D+0A", NULL, NULL },
		{ "+00", NULL, NULL },
		{ "+7F", NULL, NULL },
		{ "+80", NULL, NULL },
		{ "a=b", NULL, NULL },
		{ "a b", NULL, NULL },
		{ "a\r\nb", NULL, NULL },
		{ "\xc3\xbc", NULL, NULL },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 200);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_clear(&b);
		if (dsn_envid_parse(bytes_of(rows[i].value), &b) != (rows[i].text != NULL))
			fail_msg("%s", rows[i].value);
		if (rows[i].text == NULL)
			continue;
		assert_string_equal(buf_string(&b), rows[i].text);
		buf_clear(&b);
		dsn_envid_add(&b, bytes_of(rows[i].text));
		buf_drop(&b, strlen(" ENVID="));
		assert_string_equal(buf_string(&b), rows[i].added);
	}
	buf_clear(&b);
	dsn_envid_add(&b, BYTES(""));
	assert_int_equal(b.len, 0);
	/* whatever it is, it makes no line of its own */
	dsn_envid_add(&b, BYTES("\r\n\0\xff"));
	assert_string_equal(buf_string(&b), " ENVID=+0D+0A+00+FF");
	buf_finish(&b);
}

static void
test_envid_length(void **state)
{
	char       value[DSN_ENVID_MAX + 1];
	struct buf b;

	(void)state;
	memset(value, 'x', sizeof value);
	buf_init(&b, sizeof value);
	assert_true(dsn_envid_parse((struct bytes){ value, DSN_ENVID_MAX }, &b));
	assert_false(dsn_envid_parse((struct bytes){ value, DSN_ENVID_MAX + 1 }, &b));
	buf_finish(&b);
	buf_init(&b, DSN_ENVID_MAX - 1); /* no room: no success */
	assert_false(dsn_envid_parse((struct bytes){ value, DSN_ENVID_MAX }, &b));
	buf_finish(&b);
}

static void
test_orcpt(void **state)
{
	static const struct {
		const char *value;
		bool        smtputf8;
		const char *text, *added;
	} rows[] = {
		{ "rfc822;a@b.example", false, "rfc822;a@b.example", "rfc822;a@b.example" },
		{ "RFC822;a+2Bc@b", true, "RFC822;a+c@b", "RFC822;a+2Bc@b" },
		{ "x400;C=us", false, NULL, NULL },
		{ "x400;C+3Dus", false, "x400;C=us", "x400;C+3Dus" },
		{ "rfc822;\"a;b\"@c", false, "rfc822;\"a;b\"@c", "rfc822;\"a;b\"@c" },
		{ "", false, NULL, NULL },
		{ ";a@b", false, NULL, NULL },
		{ "rfc822", false, NULL, NULL },
		{ "rfc822;", false, NULL, NULL },
		{ "rfc 822;a", false, NULL, NULL },
		{ "rfc822;a b", false, NULL, NULL },
		{ "rfc822;a+0D+0Ab", false, NULL, NULL },
		{ "rfc822;\xc3\xbc@b", true, NULL, NULL },

		/* RFC 6533 section 3 */
		{ "utf-8;a@b", false, NULL, NULL },
		{ "utf-8;", true, NULL, NULL },
		{ "utf-8;a@b", true, "utf-8;a@b", "utf-8;a@b" },
		{ "utf-8;gr\xc3\xbcn@b", true, "utf-8;gr\xc3\xbcn@b", "utf-8;gr\\x{FC}n@b" },
		{ "UTF-8;gr\\x{FC}n@b", true, "UTF-8;gr\xc3\xbcn@b", "UTF-8;gr\\x{FC}n@b" },
		{ "utf-8;\\x{20AC}\\x{1F4E7}\\x{10FFFF}", true,
		    "utf-8;\xe2\x82\xac\xf0\x9f\x93\xa7\xf4\x8f\xbf\xbf",
		    "utf-8;\\x{20AC}\\x{1F4E7}\\x{10FFFF}" },
		{ "utf-8;a\\x{2B}b\\x{3D}\\x{5C}", true, "utf-8;a+b=\\",
		    "utf-8;a\\x{2B}b\\x{3D}\\x{5C}" },
		{ "utf-8;a+b", true, NULL, NULL },
		{ "utf-8;a=b", true, NULL, NULL },
		{ "utf-8;a b", true, NULL, NULL },
		{ "utf-8;\\", true, NULL, NULL },
		{ "utf-8;\\x{}", true, NULL, NULL },
		{ "utf-8;\\x{A}", true, NULL, NULL },
		{ "utf-8;\\x{0A}", true, NULL, NULL },
		{ "utf-8;\\x{7F}", true, NULL, NULL },
		{ "utf-8;\\x{85}", true, NULL, NULL },
		{ "utf-8;\\x{D800}", true, NULL, NULL },
		{ "utf-8;\\x{110000}", true, NULL, NULL },
		{ "utf-8;\\x{0000041}", true, NULL, NULL },
		{ "utf-8;\\x{41", true, NULL, NULL },
		{ "utf-8;\\x{4g}", true, NULL, NULL },
		{ "utf-8;\xc3", true, NULL, NULL },
		{ "utf-8;\xc3" "a", true, NULL, NULL },
		{ "utf-8;\x80", true, NULL, NULL },
		{ "utf-8;\xc0\xaf", true, NULL, NULL },     /* longer than it must be */
		{ "utf-8;\xe0\x80\xaf", true, NULL, NULL },
		{ "utf-8;\xc2\x85", true, NULL, NULL },     /* a control */
		{ "utf-8;\xed\xa0\x80", true, NULL, NULL }, /* half of a pair */
		{ "utf-8;\xf4\x90\x80\x80", true, NULL, NULL },
		{ "utf-8;\xff", true, NULL, NULL },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 200);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_clear(&b);
		if (dsn_orcpt_parse(bytes_of(rows[i].value), rows[i].smtputf8, &b) !=
		    (rows[i].text != NULL))
			fail_msg("%s", rows[i].value);
		if (rows[i].text == NULL)
			continue;
		assert_string_equal(buf_string(&b), rows[i].text);
		buf_clear(&b);
		dsn_orcpt_add(&b, bytes_of(rows[i].text));
		buf_drop(&b, strlen(" ORCPT="));
		assert_string_equal(buf_string(&b), rows[i].added);
	}
	buf_finish(&b);
}

/* What did not come from dsn_orcpt_parse: no line of its own, and nothing without a type. */
static void
test_odd_orcpt(void **state)
{
	static const struct {
		const char *text, *added;
	} rows[] = {
		{ "", "" },
		{ "a@b", "" },
		{ "rfc822;", "" },
		{ "rf\r\nc822;a", "" },
		{ "rfc822;a\r\nb", " ORCPT=rfc822;a+0D+0Ab" },
		{ "utf-8;a\r\xff", " ORCPT=utf-8;a??" },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 200);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_clear(&b);
		dsn_orcpt_add(&b, bytes_of(rows[i].text));
		assert_string_equal(buf_string(&b), rows[i].added);
	}
	buf_finish(&b);
}

static void
test_orcpt_length(void **state)
{
	char       value[DSN_ORCPT_MAX + 1];
	struct buf b;

	(void)state;
	memset(value, 'x', sizeof value);
	value[6] = ';';
	buf_init(&b, 2 * sizeof value);
	assert_true(dsn_orcpt_parse((struct bytes){ value, DSN_ORCPT_MAX }, false, &b));
	assert_false(dsn_orcpt_parse((struct bytes){ value, DSN_ORCPT_MAX + 1 }, false, &b));
	buf_finish(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_ret),
		cmocka_unit_test(test_envid),
		cmocka_unit_test(test_envid_length),
		cmocka_unit_test(test_orcpt),
		cmocka_unit_test(test_odd_orcpt),
		cmocka_unit_test(test_orcpt_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
