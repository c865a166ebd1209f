#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "proto/qmail_control.h"
#include "make_cdb.h"

static void
test_line(void **state)
{
	static const struct {
		const char *text, *line;
	} rows[] = {
		{ "", "" },
		{ "\n", "" },
		{ "mx.example.org", "mx.example.org" },
		{ "mx.example.org\n", "mx.example.org" },
		{ "mx.example.org \t \n", "mx.example.org" },
		{ " mx.example.org\nsecond\n", " mx.example.org" },
		{ "# no list\n", "# no list" },
		{ "\nsecond\n", "" },
		{ "a b", "a b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes line = qmail_control_line(bytes_of(rows[i].text));

		if (!bytes_equal(line, bytes_of(rows[i].line)))
			fail_msg("row %zu: \"%.*s\"", i, BYTES_ARG(line));
	}
}

static void
test_number(void **state)
{
	static const struct {
		const char *text;
		bool        is_number;
		uint64_t    number;
	} rows[] = {
		{ "0", true, 0 },
		{ "1200\n", true, 1200 },
		{ "10 \n20\n", true, 10 },
		{ "20 seconds", true, 20 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "", false, 0 },
		{ "\n10\n", false, 0 },
		{ " 10", false, 0 },
		{ "-1", false, 0 },
		{ "many", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t number = 0;

		if (qmail_control_number(bytes_of(rows[i].text), &number) !=
		        rows[i].is_number ||
		    number != rows[i].number)
			fail_msg("\"%s\" is %llu", rows[i].text,
			    (unsigned long long)number);
	}
}

/* Entries as "line:entry" words. */
static void
test_list(void **state)
{
	static const struct {
		const char *text, *entries;
	} rows[] = {
		{ "", "" },
		{ "\n\n", "" },
		{ "a\nb\n", "1:a 2:b " },
		{ "a\nb", "1:a 2:b " },
		{ "#a\n\n \t \nb\t\n # c\n", "4:b 5: # c " },
		{ ":alias\n", "1::alias " },
		{ "a#b\n", "1:a#b " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes rest = bytes_of(rows[i].text), entry;
		unsigned     line = 0;
		struct buf   b;

		buf_init(&b, 1000);
		while (qmail_control_next(&rest, &entry, &line))
			buf_addf(&b, "%u:%.*s ", line, BYTES_ARG(entry));
		assert_string_equal(buf_string(&b), rows[i].entries);
		buf_finish(&b);
	}
}

static void
test_pair(void **state)
{
	static const struct {
		const char *entry, *key, *value;
		bool        has_colon;
	} rows[] = {
		{ "example.com:joe", "example.com", "joe", true },
		{ "a@example.com:joe-a", "a@example.com", "joe-a", true },
		{ ":alias", "", "alias", true },
		{ "example.com:", "example.com", "", true },
		{ "a:b:c", "a", "b:c", true },
		{ "example.com", "example.com", "", false },
		{ "", "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes key, value;

		assert_int_equal(qmail_control_pair(bytes_of(rows[i].entry),
		                     &key, &value),
		    rows[i].has_colon);
		assert_true(bytes_equal(key, bytes_of(rows[i].key)));
		assert_true(bytes_equal(value, bytes_of(rows[i].value)));
	}
}

static void
test_has_domain(void **state)
{
	static const struct cdb_record more[] = {
		{ BYTES_INIT("more.example"), BYTES_INIT("") },
		{ BYTES_INIT(".wild.example"), BYTES_INIT("") },
	};
	static const char        rcpthosts[] =
	    "# ours\nexample.org\nExample.NET \n.sub.example\n";
	static const struct {
		const char *domain;
		bool        is_there;
	} rows[] = {
		{ "example.org", true },
		{ "EXAMPLE.ORG", true },
		{ "example.net", true },
		{ "a.example.org", false },
		{ "sub.example", false },
		{ "a.sub.example", true },
		{ "a.b.SUB.example", true },
		{ "asub.example", false },
		{ ".sub.example", true },
		{ "# ours", false },
		{ "", false },
		{ "org", false },
		{ "more.example", true },
		{ "More.Example", true },
		{ "a.more.example", false },
		{ "wild.example", false },
		{ "a.b.wild.EXAMPLE", true },
		{ "awild.example", false },
		{ "[127.0.0.1]", false },
	};
	char               longest[600];
	struct constant_db none = { .content = { NULL, 0 } };
	struct buf         content = cdb_of(more, 2);
	struct constant_db db;

	(void)state;
	assert_true(constant_db_open(&db, buf_bytes(&content)));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (qmail_control_has_domain(bytes_of(rcpthosts), &db,
		        bytes_of(rows[i].domain)) != rows[i].is_there)
			fail_msg("%s", rows[i].domain);
	assert_false(qmail_control_has_domain(
	    bytes_of(rcpthosts), &none, BYTES("more.example")));
	assert_false(qmail_control_has_domain(
	    BYTES(""), &none, BYTES("example.org")));
	/* longer than any domain: nothing is written beyond the room for one */
	memset(longest, 'a', sizeof longest - 1);
	strcpy(longest + 580, ".wild.example");
	assert_false(
	    qmail_control_has_domain(BYTES(""), &db, bytes_of(longest)));
	buf_finish(&content);
}

static void
test_bad_sender(void **state)
{
	static const char badmailfrom[] =
	    "spam@example.com\n@Bad.example \n# @fine.example\n\"a@b\"@c.example\na b@d.example\n";
	static const struct {
		const char *reverse_path;
		bool        is_bad;
	} rows[] = {
		{ "spam@example.com", true },
		{ "SPAM@EXAMPLE.COM", true },
		{ "ham@example.com", false },
		{ "any@bad.example", true },
		{ "any@sub.bad.example", false },
		{ "any@fine.example", false },
		{ "\"a@b\"@c.example", true },
		/* other ways to write the same address */
		{ "\"spam\"@example.com", true },
		{ "\"sp\\am\"@example.com", true },
		{ "\"a b\"@d.example", true },
		{ "\"@bad.example\"@fine.example", false },
		{ "bad.example", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (qmail_control_is_bad_sender(bytes_of(badmailfrom),
		        bytes_of(rows[i].reverse_path)) != rows[i].is_bad)
			fail_msg("%s", rows[i].reverse_path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_pair),
		cmocka_unit_test(test_has_domain),
		cmocka_unit_test(test_bad_sender),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
