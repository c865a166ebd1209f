#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/dsn_parameter.h"

static const struct {
	const char *value;
	bool        is_good;
	uint8_t     notify;
	const char *again; /* NULL: as it was */
} notifies[] = {
	{ "NEVER", true, NOTIFY_NEVER, NULL },
	{ "SUCCESS", true, NOTIFY_SUCCESS, NULL },
	{ "SUCCESS,FAILURE,DELAY", true,
	    NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, NULL },
	{ "delay,Failure", true, NOTIFY_DELAY | NOTIFY_FAILURE, "FAILURE,DELAY" },
	{ "", false, 0, NULL },
	{ "NEVER,FAILURE", false, 0, NULL },
	{ "FAILURE,NEVER", false, 0, NULL },
	{ "SUCCESS,SUCCESS", false, 0, NULL },
	{ "SUCCESS,", false, 0, NULL },
	{ ",SUCCESS", false, 0, NULL },
	{ "SUCCESS FAILURE", false, 0, NULL },
	{ "ALWAYS", false, 0, NULL },
};

static void
test_notify(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof notifies / sizeof notifies[0]; i++) {
		uint8_t     notify = NOTIFY_UNSET;
		const char *again = notifies[i].again ? notifies[i].again
		                                      : notifies[i].value;
		struct buf  b;

		assert_int_equal(
		    dsn_notify_parse(bytes_of(notifies[i].value), &notify),
		    notifies[i].is_good);
		assert_int_equal(notify, notifies[i].notify);
		if (!notifies[i].is_good)
			continue;
		buf_init(&b, 100);
		dsn_notify_add(&b, notify);
		assert_memory_equal(buf_string(&b), " NOTIFY=", 8);
		assert_string_equal(buf_string(&b) + 8, again);
		buf_finish(&b);
	}
}

static void
test_unset(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	dsn_notify_add(&b, NOTIFY_UNSET);
	dsn_ret_add(&b, RET_UNSET);
	dsn_envid_add(&b, BYTES(""));
	dsn_orcpt_add(&b, BYTES(""));
	assert_string_equal(buf_string(&b), "");
	buf_finish(&b);
}

static void
test_ret(void **state)
{
	enum envelope_ret ret = RET_UNSET;
	struct buf        b;

	(void)state;
	assert_true(dsn_ret_parse(BYTES("FULL"), &ret) && ret == RET_FULL);
	assert_true(dsn_ret_parse(BYTES("hdrs"), &ret) && ret == RET_HDRS);
	assert_false(dsn_ret_parse(BYTES("FULL,HDRS"), &ret));
	assert_false(dsn_ret_parse(BYTES(""), &ret));
	buf_init(&b, 100);
	dsn_ret_add(&b, RET_FULL);
	dsn_ret_add(&b, RET_HDRS);
	assert_string_equal(buf_string(&b), " RET=FULL RET=HDRS");
	buf_finish(&b);
}

/* NULL: refused. */
static const struct {
	bool        smtputf8;
	const char *value;
	const char *decoded;
} orcpts[] = {
	{ false, "rfc822;jo@example.net", "rfc822;jo@example.net" },
	{ false, "RFC822;jo+2Btag@example.net", "RFC822;jo+tag@example.net" },
	{ false, "rfc822;a+20b", "rfc822;a b" },
	{ false, "x400;/C+3DDE", "x400;/C=DE" },
	{ false, "rfc822;", NULL },
	{ false, "rfc822", NULL },
	{ false, ";jo", NULL },
	{ false, "r f;jo", NULL },
	{ false, "rfc822;a=b", NULL },
	{ false, "rfc822;a b", NULL },
	{ false, "rfc822;a+2", NULL },
	{ false, "rfc822;a+2g", NULL },
	{ false, "rfc822;a+2b", NULL }, /* hexchar is upper case */
	{ false, "rfc822;a+0D+0Ab", NULL },
	{ false, "rfc822;a+00b", NULL },
	{ false, "rfc822;a+7Fb", NULL },
	{ false, "rfc822;j\xc3\xb6@example.net", NULL },
	{ true, "utf-8;j\xc3\xb6@example.net", "utf-8;j\xc3\xb6@example.net" },
	{ false, "utf-8;j\xc3\xb6@example.net", NULL },
	{ false, "utf-8;j\\x{F6}@example.net", "utf-8;j\\x{F6}@example.net" },
};

static void
test_orcpt(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof orcpts / sizeof orcpts[0]; i++) {
		struct buf out, again;
		bool       is_good;

		buf_init(&out, 1000);
		buf_init(&again, 1000);
		is_good = dsn_orcpt_parse(
		    bytes_of(orcpts[i].value), orcpts[i].smtputf8, &out);
		assert_int_equal(is_good, orcpts[i].decoded != NULL);
		if (is_good) {
			assert_string_equal(buf_string(&out), orcpts[i].decoded);
			dsn_orcpt_add(&again, buf_bytes(&out));
			assert_memory_equal(buf_string(&again), " ORCPT=", 7);
			assert_string_equal(
			    buf_string(&again) + 7, orcpts[i].value);
		}
		buf_finish(&out);
		buf_finish(&again);
	}
}

/* Every octet goes out as xtext, and what may come back comes back. */
static void
test_xtext(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		const char text[] = { 'a', (char)c, 'b' };
		struct buf out, back;

		buf_init(&out, 100);
		buf_init(&back, 100);
		dsn_xtext_add(&out, (struct bytes){ text, sizeof text });
		for (size_t i = 0; i < out.len; i++)
			assert_true(out.p[i] >= '!' && out.p[i] <= '~' &&
			    out.p[i] != '=');
		assert_int_equal(dsn_envid_parse(buf_bytes(&out), &back),
		    c >= ' ' && c <= '~');
		if (c >= ' ' && c <= '~')
			assert_memory_equal(
			    buf_string(&back), text, sizeof text);
		buf_finish(&out);
		buf_finish(&back);
	}
}

static void
test_lengths(void **state)
{
	char       text[DSN_ORCPT_MAX + 2];
	struct buf out;

	(void)state;
	memset(text, 'x', sizeof text);
	buf_init(&out, 2000);
	assert_true(dsn_envid_parse((struct bytes){ text, DSN_ENVID_MAX }, &out));
	assert_false(
	    dsn_envid_parse((struct bytes){ text, DSN_ENVID_MAX + 1 }, &out));
	assert_false(dsn_envid_parse(BYTES(""), &out));
	text[3] = ';';
	assert_true(dsn_orcpt_parse(
	    (struct bytes){ text, DSN_ORCPT_MAX }, false, &out));
	assert_false(dsn_orcpt_parse(
	    (struct bytes){ text, DSN_ORCPT_MAX + 1 }, false, &out));
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_unset),
		cmocka_unit_test(test_ret),
		cmocka_unit_test(test_orcpt),
		cmocka_unit_test(test_xtext),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
