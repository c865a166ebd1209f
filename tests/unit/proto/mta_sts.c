#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "proto/mta_sts.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

#define TEN         "0123456789"
#define LABEL_63    TEN TEN TEN TEN TEN TEN "012"
#define DOMAIN_253  LABEL_63 "." LABEL_63 "." LABEL_63 "." TEN TEN TEN TEN TEN TEN "0"

/* Section 3.1. */
static void
records(void **state)
{
	static const struct {
		const char *text;
		bool        is_one; /* of those that are counted */
		const char *id;     /* NULL: malformed */
	} rows[] = {
		{ "v=STSv1; id=20160831085700Z;", true, "20160831085700Z" },
		{ "v=STSv1;id=1", true, "1" },
		{ "v=STSv1 \t; \tid \t= \t1 \t;\t ", true, "1" },
		{ "v=STSv1; id=" TEN TEN TEN "ab", true, TEN TEN TEN "ab" },
		{ "v=STSv1; id=" TEN TEN TEN "abc", true, NULL },
		{ "v=STSv1; more=!(1)<>:; id=A", true, "A" },
		{ "v=STSv1; a.b-c_d=1; id=A", true, "A" },
		{ "v=STSv1; id=A; id=B", true, "A" },
		{ "v=STSv1; id=A; v=STSv2", true, "A" },
		{ "v=STSv1; id=A; id=", true, NULL },
		{ "v=STSv1; id=a-b", true, NULL },
		{ "v=STSv1; id=a b", true, NULL },
		{ "v=STSv1; id=\303\244", true, NULL },
		{ "v=STSv1; id=A; more=a=b", true, NULL },
		{ "v=STSv1; id=A; more=\177", true, NULL },
		{ "v=STSv1; id=A; more", true, NULL },
		{ "v=STSv1; id=A; =b", true, NULL },
		{ "v=STSv1; id=A; _m=b", true, NULL },
		{ "v=STSv1; id=A; " TEN TEN TEN "abc=b", true, NULL },
		{ "v=STSv1; id=A;;", true, NULL },
		{ "v=STSv1;; id=A", true, NULL },
		{ "v=STSv1; ID=A", true, NULL },
		{ "v=STSv1;", true, NULL },
		{ "v=STSv1; ", true, NULL },
		{ "v=STSv1", false, NULL },
		{ "v=STSv1 id=A;", false, NULL },
		{ "v=STSv11; id=A;", false, NULL },
		{ "v=STSv2; id=A;", false, NULL },
		{ "v=stsv1; id=A;", false, NULL },
		{ "v = STSv1; id=A;", false, NULL },
		{ " v=STSv1; id=A;", false, NULL },
		{ "id=A; v=STSv1;", false, NULL },
		{ "v=spf1 -all", false, NULL },
		{ ";", false, NULL },
		{ "", false, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct bytes text = bytes_of(rows[i].text), id;

		assert_int_equal(sts_is_record(text), rows[i].is_one);
		assert_int_equal(sts_record_parse(text, &id), rows[i].id != NULL);
		if (rows[i].id)
			assert_true(bytes_equal(id, bytes_of(rows[i].id)));
	}
}

static void
record_with_nul(void **state)
{
	struct bytes id;

	(void)state;
	assert_false(sts_record_parse(BYTES("v=STSv1; id=A\0"), &id));
	assert_false(sts_record_parse(BYTES("v=STSv1; id=A; b=\0"), &id));
}

/* Section 3.2. */
static void
good_policies(void **state)
{
	static const struct {
		const char   *text;
		enum sts_mode mode;
		uint64_t      max_age_s;
		const char   *patterns; /* each with a blank behind it */
	} rows[] = {
		{ "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\n"
		  "mx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n",
		    STS_ENFORCE, 604800,
		    "mail.example.com *.example.net backupmx.example.com " },
		{ "version: STSv1\nmode: testing\nmx: a\nmax_age: 0", STS_TESTING, 0, "a " },
		{ "version:STSv1\nmode:none\nmax_age:86400\n", STS_NONE, 86400, "" },
		{ "version: STSv1\nmode: none\nmx: a\nmax_age: 1\n", STS_NONE, 1, "a " },
		/* any order, and blanks where they may be */
		{ "max_age:\t7 \nmx:  MX.Example.NET\t\nmode: enforce \nversion:\tSTSv1\t\n",
		    STS_ENFORCE, 7, "mx.example.net " },
		/* the first one counts */
		{ "version: STSv1\nversion: STSv2\nmode: testing\nmode: enforce\n"
		  "max_age: 1\nmax_age: 2\nmax_age: x\nmode: y\nmx: a\nmx: a\n",
		    STS_TESTING, 1, "a a " },
		/* unknown fields */
		{ "version: STSv1\nmode: enforce\nmx: a\nmax_age: 1\nnew.field-1_: b c\n"
		  "note: gr\303\274n: ok\nMode: none\nMX: b\n",
		    STS_ENFORCE, 1, "a " },
		/* empty lines */
		{ "\nversion: STSv1\r\n\r\nmode: enforce\nmx: a\n \t\nmax_age: 1\n\n\n",
		    STS_ENFORCE, 1, "a " },
		/* at most a year */
		{ "version: STSv1\nmode: enforce\nmx: a\nmax_age: 31557600\n",
		    STS_ENFORCE, 31557600, "a " },
		{ "version: STSv1\nmode: enforce\nmx: a\nmax_age: 31557601\n",
		    STS_ENFORCE, 31557600, "a " },
		{ "version: STSv1\nmode: enforce\nmx: a\nmax_age: 9999999999\n",
		    STS_ENFORCE, 31557600, "a " },
		{ "version: STSv1\nmode: enforce\nmx: " DOMAIN_253 "\nmax_age: 1\n",
		    STS_ENFORCE, 1, DOMAIN_253 " " },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct sts_policy policy;
		struct arena      arena;
		struct buf        patterns;
		const char       *mistake;

		arena_init(&arena, 65536);
		buf_init(&patterns, 65536);
		assert_true(sts_policy_parse(
		    bytes_of(rows[i].text), &arena, &policy, &mistake));
		assert_null(mistake);
		assert_int_equal(policy.mode, rows[i].mode);
		assert_int_equal(policy.max_age_s, rows[i].max_age_s);
		for (size_t p = 0; p < policy.n_patterns; p++) {
			buf_add_bytes(&patterns, policy.patterns[p]);
			buf_add_char(&patterns, ' ');
		}
		assert_string_equal(buf_string(&patterns), rows[i].patterns);
		buf_finish(&patterns);
		arena_finish(&arena);
	}
}

static void
bad_policies(void **state)
{
	static const struct {
		const char *text;
		const char *mistake;
	} rows[] = {
		{ "", "version is missing" },
		{ "mode: enforce\nmx: a\nmax_age: 1\n", "version is missing" },
		{ "version: STSv1\nmx: a\nmax_age: 1\n", "mode is missing" },
		{ "version: STSv1\nmode: enforce\nmx: a\n", "max_age is missing" },
		{ "version: STSv1\nmode: enforce\nmax_age: 1\n", "mx is missing" },
		{ "version: STSv1\nmode: testing\nmax_age: 1\n", "mx is missing" },
		{ "version: STSv1\nmode: none\n", "max_age is missing" },
		{ "version: STSv2\nmode: none\nmax_age: 1\n", "version is not STSv1" },
		{ "version: stsv1\nmode: none\nmax_age: 1\n", "version is not STSv1" },
		{ "version: STSv2\nversion: STSv1\n", "version is not STSv1" },
		{ "version: STSv1\nmode: Enforce\nmx: a\nmax_age: 1\n", "mode is unknown" },
		{ "version: STSv1\nmode: report\nmx: a\nmax_age: 1\n", "mode is unknown" },
		{ "max_age: 12345678901\n", "max_age is no number" },
		{ "max_age: -1\n", "max_age is no number" },
		{ "max_age: 1d\n", "max_age is no number" },
		{ "max_age: 1 2\n", "max_age is no number" },
		{ "mx: *\n", "mx is no name of hosts" },
		{ "mx: *.\n", "mx is no name of hosts" },
		{ "mx: .\n", "mx is no name of hosts" },
		{ "mx: *.*.a\n", "mx is no name of hosts" },
		{ "mx: a*.a\n", "mx is no name of hosts" },
		{ "mx: .a\n", "mx is no name of hosts" },
		{ "mx: a.\n", "mx is no name of hosts" },
		{ "mx: a..b\n", "mx is no name of hosts" },
		{ "mx: a b\n", "mx is no name of hosts" },
		{ "mx: [127.0.0.1]\n", "mx is no name of hosts" },
		{ "mx: \303\244\n", "mx is no name of hosts" },
		{ "mx: 0" DOMAIN_253 "\n", "mx is no name of hosts" },
		{ "mx:\n", "a field has no value" },
		{ "mode: \t\r\n", "a field has no value" },
		{ "other: a\tb\n", "a field has no value" },
		{ "other: a\rb\n", "a field has no value" },
		{ "other: \177\n", "a field has no value" },
		{ "version STSv1\n", "a line is no field" },
		{ "version : STSv1\n", "a line is no field" },
		{ " version: STSv1\n", "a line is no field" },
		{ ": STSv1\n", "a line is no field" },
		{ "<html>\n", "a line is no field" },
		{ "<html a:b>\n", "a line is no field" },
		{ TEN TEN TEN "abc: d\n", "a line is no field" },
		{ "version: STSv1\rmode: none\rmax_age: 1\r", "a field has no value" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct sts_policy policy;
		struct arena      arena;
		const char       *mistake = NULL;

		arena_init(&arena, 65536);
		assert_false(sts_policy_parse(
		    bytes_of(rows[i].text), &arena, &policy, &mistake));
		assert_string_equal(mistake, rows[i].mistake);
		arena_finish(&arena);
	}
}

/* One pattern fewer than too many, and one octet. */
static void
bounds(void **state)
{
	static const char *const wrong[] = { NULL, "too many mx", "it is too large" };

	(void)state;
	for (size_t i = 0; i < ROWS(wrong); i++) {
		struct sts_policy policy;
		struct arena      arena;
		struct buf        text;
		const char       *mistake;
		bool              good;

		arena_init(&arena, 65536);
		buf_init(&text, 2 * STS_POLICY_MAX);
		buf_add_string(&text, "version: STSv1\nmode: enforce\nmax_age: 1\n");
		for (size_t p = 0; p < STS_PATTERNS_MAX + (i == 1 ? 1u : 0); p++)
			buf_addf(&text, "mx: mx%zu.example.net\n", p);
		while (text.len < STS_POLICY_MAX + (i == 2 ? 1u : 0))
			buf_add_char(&text, '\n');
		good = sts_policy_parse(buf_bytes(&text), &arena, &policy, &mistake);
		assert_int_equal(good, wrong[i] == NULL);
		if (good)
			assert_int_equal(policy.n_patterns, STS_PATTERNS_MAX);
		else
			assert_string_equal(mistake, wrong[i]);
		buf_finish(&text);
		arena_finish(&arena);
	}
}

static void
no_memory(void **state)
{
	static const struct bytes text = BYTES_INIT(
	    "version: STSv1\nmode: enforce\nmax_age: 1\nmx: " DOMAIN_253 "\n");
	struct sts_policy policy;
	struct arena      arena;
	const char       *mistake;

	(void)state;
	for (size_t max = 0; max < 2; max++) {
		arena_init(&arena, max * (STS_PATTERNS_MAX * sizeof(struct bytes) + 64));
		assert_false(sts_policy_parse(text, &arena, &policy, &mistake));
		assert_string_equal(mistake, "no memory");
		arena_finish(&arena);
	}
}

/* Section 4.1, and RFC 6125 section 6.4. */
static void
hosts(void **state)
{
	static const struct {
		const char *pattern, *host;
		bool        matches;
	} rows[] = {
		{ "mx.example.net", "mx.example.net", true },
		{ "mx.example.net", "MX.Example.NET", true },
		{ "mx.example.net", "a.mx.example.net", false },
		{ "mx.example.net", "example.net", false },
		{ "mx.example.net", "", false },
		{ "*.example.net", "mx.example.net", true },
		{ "*.example.net", "Mx.EXAMPLE.net", true },
		{ "*.example.net", "example.net", false },
		{ "*.example.net", ".example.net", false },
		{ "*.example.net", "a.b.example.net", false },
		{ "*.example.net", "mxexample.net", false },
		{ "*.example.net", "mx.example.net.evil.test", false },
		{ "*.example.net", "", false },
		{ "*.net", "example.net", true },
		{ "*.net", "net", false },
		{ "", "", false },
		{ "", "a", false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_int_equal(sts_pattern_matches(bytes_of(rows[i].pattern),
		                     bytes_of(rows[i].host)),
		    rows[i].matches);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(record_with_nul),
		cmocka_unit_test(good_policies),
		cmocka_unit_test(bad_policies),
		cmocka_unit_test(bounds),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
