#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "proto/tcprules.h"
#include "constant_db_make.h"

enum { MEMORY = 1024 * 1024 };

struct file {
	struct arena    arena;
	struct mistakes mistakes;
	struct tcprules rules;
};

static void
read_text(struct file *f, struct bytes text)
{
	*f = (struct file){ .mistakes = { .n = 0 } };
	arena_init(&f->arena, MEMORY);
	tcprules_read(&f->rules, text, &f->arena, &f->mistakes);
}

static void
finish(struct file *f)
{
	arena_finish(&f->arena);
}

static void
expect_no_mistakes(struct file *f)
{
	struct buf b;

	buf_init(&b, MEMORY);
	mistakes_print(&f->mistakes, "rules", &b);
	assert_string_equal(buf_string(&b), "");
	buf_finish(&b);
}

/* What the variable N of the rule that is found says; "deny N", "none". */
static const char *
found(const struct tcprules *r, const char *address, const char *name,
    const char *info)
{
	static char                  text[100];
	const struct tcprules_client client = {
		.address = bytes_of(address),
		.name = bytes_of(name),
		.info = bytes_of(info),
	};
	struct tcprules_answer answer;
	struct bytes           value = BYTES("");

	tcprules_find(r, &client, &answer);
	if (!answer.is_found) {
		assert_true(answer.allowed);
		return "none";
	}
	tcprules_variable(&answer, BYTES("N"), &value);
	snprintf(text, sizeof text, "%s%.*s", answer.allowed ? "" : "deny ",
	    BYTES_ARG(value));
	return text;
}

static void
test_search(void **state)
{
	static const char text[] =
	    "# comment\n"
	    "\n"
	    "  \t\r\n"
	    "joe@192.0.2.7:allow,N=\"joe\"\n"
	    "joe@=mx.example.org:allow,N=\"joe by name\"\n"
	    "192.0.2.7:deny,N=\"seven\"\n"
	    "192.0.2.7:allow,N=\"second\"\n"
	    "=mx.example.org:allow,N=\"name\"\n"
	    "192.0.2.:allow,N=\"three\"\n"
	    "192.0.:allow,N=\"two\"\n"
	    "192.0.2.128/25:allow,N=\"upper half\"\r\n"
	    "192.0.2.0/24:allow,N=\"as three\"  \n"
	    "10.2-3.:allow,N=/range of two/\n"
	    "10.2.1-9.4-6:allow,N=xrange of fourx\n"
	    "172.16.0.0/12:deny,N=\"cidr\"\n"
	    "172.16.1.1/32:allow,N=\"one by cidr\"\n"
	    "2001:db8::/32:allow,N=\"db8\"\n"
	    "2001:db8:1::/48:allow,N=\"db8:1\"\n"
	    "2001:DB8:1::5:deny,N=\"five\"\n"
	    "::1:allow,N=\"loop\"\n"
	    "=.example.org:allow,N=\"domain\"\n"
	    "=.Sub.Example.ORG:allow,N=\"subdomain\"\n"
	    "=:allow,N=\"named\"\n"
	    ":deny,N=\"rest\"\n";
	static const struct {
		const char *address, *name, *info, *found;
	} rows[] = {
		{ "192.0.2.7", "", "", "deny seven" },
		{ "192.0.2.7", "", "joe", "joe" },
		{ "192.0.2.7", "", "Joe", "deny seven" },
		{ "192.0.2.8", "", "joe", "three" },
		{ "192.0.2.8", "mx.example.org", "joe", "joe by name" },
		{ "192.0.2.8", "mx.example.org", "", "name" },
		{ "192.0.2.7", "mx.example.org", "", "deny seven" },
		{ "192.0.2.8", "a.example.org", "", "three" },
		{ "192.0.2.200", "", "", "upper half" },
		{ "192.0.3.1", "", "", "two" },
		{ "192.00.2.7", "", "", "deny rest" },
		{ "10.2.0.1", "", "", "range of two" },
		{ "10.3.255.1", "", "", "range of two" },
		{ "10.4.0.1", "", "", "deny rest" },
		{ "10.2.1.4", "", "", "range of four" },
		{ "10.2.9.6", "", "", "range of four" },
		{ "10.2.9.7", "", "", "range of two" },
		{ "10.2.10.6", "", "", "range of two" },
		{ "172.16.0.1", "", "", "deny cidr" },
		{ "172.31.255.255", "", "", "deny cidr" },
		{ "172.32.0.0", "", "", "deny rest" },
		{ "172.16.1.1", "", "", "one by cidr" },
		{ "2001:db8::1", "", "", "db8" },
		{ "2001:db8:1::1", "", "", "db8:1" },
		{ "2001:db8:1:0::5", "", "", "deny five" },
		{ "2001:db9::", "", "", "deny rest" },
		{ "::1", "", "", "loop" },
		{ "::ffff:192.0.2.7", "", "", "deny seven" },
		{ "203.0.113.1", "a.example.org", "", "domain" },
		{ "203.0.113.1", "a.sub.example.org", "", "subdomain" },
		{ "203.0.113.1", "sub.example.org", "", "domain" },
		{ "203.0.113.1", "example.org", "", "named" },
		{ "203.0.113.1", "xexample.org", "", "named" },
		{ "203.0.113.1", "", "", "deny rest" },
		{ "local", "", "", "deny rest" },
		{ "", "", "", "deny rest" },
	};
	struct file f;

	(void)state;
	read_text(&f, bytes_of(text));
	expect_no_mistakes(&f);
	assert_true(tcprules_needs_name(&f.rules));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *got = found(
		    &f.rules, rows[i].address, rows[i].name, rows[i].info);

		if (strcmp(got, rows[i].found) != 0)
			fail_msg("%s %s %s: %s, not %s", rows[i].address,
			    rows[i].name, rows[i].info, got, rows[i].found);
	}
	finish(&f);
}

static void
test_no_rule(void **state)
{
	static const struct tcprules zeroed;
	struct file                  f;

	(void)state;
	assert_string_equal(found(&zeroed, "192.0.2.1", "", ""), "none");
	assert_false(tcprules_needs_name(&zeroed));
	read_text(&f, BYTES("10.:deny\n"));
	assert_string_equal(found(&f.rules, "192.0.2.1", "", ""), "none");
	assert_false(tcprules_needs_name(&f.rules));
	finish(&f);
	read_text(&f, BYTES(""));
	assert_string_equal(found(&f.rules, "192.0.2.1", "", ""), "none");
	expect_no_mistakes(&f);
	finish(&f);
}

static void
test_variables(void **state)
{
	static const struct {
		struct bytes name;
		const char  *value; /* NULL: it is not set */
	} rows[] = {
		{ BYTES_INIT("RELAYCLIENT"), "" },
		{ BYTES_INIT("A"), "a,\"b\"=c" },
		{ BYTES_INIT("DATABYTES"), "2" },
		{ BYTES_INIT("E"), "+E=e" },
		{ BYTES_INIT("relayclient"), NULL },
		{ BYTES_INIT("RELAY"), NULL },
		{ BYTES_INIT(""), NULL },
	};
	struct file            f;
	struct tcprules_answer answer;
	struct bytes           value;
	uint64_t               size;

	(void)state;
	read_text(&f, BYTES("::1:allow,RELAYCLIENT=\"\",A=/a,\"b\"=c/,DATABYTES=\"1\","
	                    "DATABYTES=020,E=\"+E=e\""));
	expect_no_mistakes(&f);
	tcprules_find(&f.rules, &(struct tcprules_client){ .address = BYTES("::1") },
	    &answer);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(tcprules_variable(&answer, rows[i].name, &value),
		    rows[i].value != NULL);
		if (rows[i].value)
			assert_true(bytes_equal(value, bytes_of(rows[i].value)));
	}
	assert_true(tcprules_size(&answer, &size));
	assert_int_equal(size, 2);
	finish(&f);
}

#define ADDRESSES \
	" is no address; expected one like 192.0.2.1, 192.0.2., 192.0.2.3-9, " \
	"192.0.2.0/24, 2001:db8::/32, =host or =.domain, or nothing\n"
#define NO_RULE \
	" is no rule; expected ADDRESS:allow or ADDRESS:deny, then nothing or " \
	",NAME=\"value\"\n"
#define NO_VARIABLE " is no variable; expected ,NAME=\"value\"\n"
#define NO_END \
	" does not end; expected the quote before the value behind it too\n"
#define NEVER \
	" never counts; behind \"@\" one whole address or =host is expected\n"

#define OPEN_RELAY \
	" is for strangers, and RELAYCLIENT would make an open relay; expected only " \
	"hosts of your own\n"

static void
test_mistakes(void **state)
{
	static const struct {
		const char *line, *mistake;
	} rows[] = {
		{ "allow", "\"allow\"" NO_RULE },
		{ "10.", "\"10.\"" NO_RULE },
		{ "10.:", "\"10.:\"" NO_RULE },
		{ "10.:reject", "\"10.:reject\"" NO_RULE },
		{ "10.:Allow", "\"10.:Allow\"" NO_RULE },
		{ "10.:allowed", "\"10.:allowed\"" NO_RULE },
		{ "10.:deny ,A=\"\"", "\"10.:deny ,A=\"\"\"" NO_RULE },
		{ "10.: allow", "\"10.: allow\"" NO_RULE },
		{ " 10.:allow", "\" 10.\"" ADDRESSES },
		{ "10:allow", "\"10\"" ADDRESSES },
		{ "10.2:allow", "\"10.2\"" ADDRESSES },
		{ "10.2.3.4.:allow", "\"10.2.3.4.\"" ADDRESSES },
		{ "10.2.3.4.5:allow", "\"10.2.3.4.5\"" ADDRESSES },
		{ "10..:allow", "\"10..\"" ADDRESSES },
		{ ".:allow", "\".\"" ADDRESSES },
		{ "256.:allow", "\"256.\"" ADDRESSES },
		{ "010.:allow", "\"010.\"" ADDRESSES },
		{ "10.3-2.:allow", "\"10.3-2.\"" ADDRESSES },
		{ "10.3-.:allow", "\"10.3-.\"" ADDRESSES },
		{ "10.-3.:allow", "\"10.-3.\"" ADDRESSES },
		{ "10.1-2-3.:allow", "\"10.1-2-3.\"" ADDRESSES },
		{ "10.1-300.:allow", "\"10.1-300.\"" ADDRESSES },
		{ "10.0.0.1/8:allow", "\"10.0.0.1/8\"" ADDRESSES },
		{ "10./8:allow", "\"10./8\"" ADDRESSES },
		{ "10.0.0.0/33:allow", "\"10.0.0.0/33\"" ADDRESSES },
		{ "[::1]:allow", "\"[::1]\"" ADDRESSES },
		{ "::g:allow", "\"::g\"" ADDRESSES },
		{ "2001:db8::1/32:allow", "\"2001:db8::1/32\"" ADDRESSES },
		{ "::/129:allow", "\"::/129\"" ADDRESSES },
		{ "host.example:allow", "\"host.example\"" ADDRESSES },
		{ "==:allow", "\"==\"" ADDRESSES },
		{ "=a b:allow", "\"=a b\"" ADDRESSES },
		{ "=.:allow", "\"=.\"" ADDRESSES },
		{ "joe@:allow", "\"joe@\"" NEVER },
		{ "joe@10.:allow", "\"joe@10.\"" NEVER },
		{ "joe@=.example:allow", "\"joe@=.example\"" NEVER },
		{ "joe@=:allow", "\"joe@=\"" NEVER },
		{ "joe@x:allow", "\"joe@x\"" ADDRESSES },
		{ ":allow,", "\",\"" NO_VARIABLE },
		{ ":allow,A", "\",A\"" NO_VARIABLE },
		{ ":allow,A=", "\",A=\"" NO_VARIABLE },
		{ ":allow,=\"\"", "\",=\"\"\"" NO_VARIABLE },
		{ ":allow,!A,B=\"\"", "\",!A,B=\"\"\"" NO_VARIABLE },
		{ ":allow,A=\"\"B=\"\"", "\"B=\"\"\"" NO_VARIABLE },
		{ ":allow,A=\"", "\",A=\"\"" NO_END },
		{ ":allow,A=\"b", "\",A=\"b\"" NO_END },
		{ ":allow,A=b\"", "\",A=b\"\"" NO_END },
		{ ":allow,RELAYCLIENT=\"\"", "\"\"" OPEN_RELAY },
		{ "=:allow,RELAYCLIENT=\"\"", "\"=\"" OPEN_RELAY },
		{ "1-2.:allow,RELAYCLIENT=\"\"", "\"1-2.\"" OPEN_RELAY },
		{ "10.0.0.0/7:allow,RELAYCLIENT=\"\"", "\"10.0.0.0/7\"" OPEN_RELAY },
		{ "::/64:allow,RELAYCLIENT=\"\"", "\"::/64\"" OPEN_RELAY },
		{ ":allow,DATABYTES=\"many\"",
		    "DATABYTES is \"many\"; expected a number of bytes\n" },
		{ ":allow,DATABYTES=\"\"",
		    "DATABYTES is \"\"; expected a number of bytes\n" },
		{ ":allow,DATABYTES=\"18446744073709551616\"",
		    "DATABYTES is \"18446744073709551616\"; expected a number of bytes\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct file f;
		struct buf  b, expected;

		buf_init(&b, MEMORY);
		buf_init(&expected, MEMORY);
		buf_addf(&b, "# 1\n10.:allow\n%s\n:deny\n", rows[i].line);
		buf_addf(&expected, "rules:3: %s", rows[i].mistake);
		read_text(&f, buf_bytes(&b));
		buf_clear(&b);
		mistakes_print(&f.mistakes, "rules", &b);
		assert_string_equal(buf_string(&b), buf_string(&expected));
		finish(&f);
		buf_finish(&b);
		buf_finish(&expected);
	}
}

/* Strangers who may not relay; and hosts of one's own. */
static void
test_no_open_relay(void **state)
{
	struct file f;

	(void)state;
	read_text(&f, BYTES(":deny,RELAYCLIENT=\"\"\n10.:allow,RELAYCLIENT=\"\"\n"
	                    "10.0.0.0/8:allow,RELAYCLIENT=\"\"\n"
	                    "fc00::/7:allow,RELAYCLIENT=\"\"\n"
	                    "1-200.2.:allow,RELAYCLIENT=\"\"\n"
	                    "=mx.example.org:allow,RELAYCLIENT=\"\"\n"));
	expect_no_mistakes(&f);
	finish(&f);
}

static void
test_odd_texts(void **state)
{
	struct file f;
	char        long_value[400];
	int         n;

	(void)state;
	read_text(&f, BYTES("10.\0:deny\n"));
	assert_int_equal(f.mistakes.n, 1);
	finish(&f);
	n = snprintf(long_value, sizeof long_value, "10.:allow,RELAYCLIENT=\"%0256d\"", 0);
	read_text(&f, (struct bytes){ long_value, (size_t)n });
	assert_int_equal(f.mistakes.n, 1);
	finish(&f);
	read_text(&f, (struct bytes){ "", (size_t)TCPRULES_FILE_MAX + 1 });
	assert_int_equal(f.mistakes.n, 1);
	finish(&f);
}

/* Without memory every rule that is lost is a mistake. */
static void
test_no_memory(void **state)
{
	struct arena    arena;
	struct mistakes mistakes = { .n = 0 };
	struct tcprules rules;

	(void)state;
	arena_init(&arena, 64);
	tcprules_read(&rules, BYTES("10.:deny\n"), &arena, &mistakes);
	assert_true(mistakes_any(&mistakes));
	arena_finish(&arena);
}

#define R(key, data) { BYTES_INIT(key), BYTES_INIT(data) }

static void
read_records(struct file *f, struct buf *content, const struct record *records,
    size_t n)
{
	buf_init(content, MEMORY);
	make_cdb(content, records, n);
	read_text(f, buf_bytes(content));
}

static void
test_cdb(void **state)
{
	static const struct record records[] = {
		R("joe@192.0.2.7", "+N=joe\0"),
		R("joe@=mx.example.org", "+N=joe by name\0"),
		R("192.0.2.7", "D\0+N=seven\0"),
		R("192.0.2.7", "+N=second\0"),
		R("=mx.example.org", "+N=name\0"),
		R("192.0.2.", "+N=three\0"),
		R("192.", "+M=x\0+N=one\0+N=last\0"),
		R("::1", "+N=loop\0"),
		R("=.example.org", "+N=domain\0"),
		R("=", "+N=named\0"),
		R("", "D"), /* no NUL: it denies all the same */
	};
	static const struct {
		const char *address, *name, *info, *found;
	} rows[] = {
		{ "192.0.2.7", "", "", "deny seven" },
		{ "192.0.2.7", "", "joe", "joe" },
		{ "192.0.2.8", "mx.example.org", "joe", "joe by name" },
		{ "192.0.2.8", "mx.example.org", "jim", "name" },
		{ "192.0.2.8", "a.example.org", "", "three" },
		{ "192.0.3.8", "", "", "last" },
		{ "::1", "", "", "loop" },
		{ "203.0.113.1", "a.example.org", "", "domain" },
		{ "203.0.113.1", "example.org", "", "named" },
		{ "203.0.113.1", "", "", "deny " },
	};
	struct file f;
	struct buf  content;

	(void)state;
	read_records(&f, &content, records, sizeof records / sizeof records[0]);
	expect_no_mistakes(&f);
	assert_true(tcprules_needs_name(&f.rules));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_string_equal(found(&f.rules, rows[i].address, rows[i].name,
		                        rows[i].info), rows[i].found);
	finish(&f);
	buf_finish(&content);
}

static void
test_cdb_mistakes(void **state)
{
	static const struct record good[] = { R("10.", "") };
	static const struct record bad[] = {
		R("10.0.0.0/8", "D\0"), R("11.", "+DATABYTES=5k\0"),
		R("info@=x", "+DATABYTES=5\0"), R("", "+RELAYCLIENT=\0"),
	};
	struct file f;
	struct buf  content, b;

	(void)state;
	read_records(&f, &content, good, 1);
	assert_false(tcprules_needs_name(&f.rules));
	expect_no_mistakes(&f);
	finish(&f);
	buf_finish(&content);
	read_records(&f, &content, bad, 4);
	assert_true(tcprules_needs_name(&f.rules));
	buf_init(&b, MEMORY);
	mistakes_print(&f.mistakes, "rules.cdb", &b);
	assert_string_equal(buf_string(&b),
	    "rules.cdb: the rule of \"10.0.0.0/8\" never counts: tcprules knows no "
	    "CIDR; name the text instead of the cdb\n"
	    "rules.cdb: the rule of \"11.\": DATABYTES is \"5k\"; expected a number "
	    "of bytes\n"
	    "rules.cdb: \"\" is for strangers, and RELAYCLIENT would make an open "
	    "relay; expected only hosts of your own\n");
	buf_finish(&b);
	finish(&f);
	buf_finish(&content);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_no_rule),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_no_open_relay),
		cmocka_unit_test(test_odd_texts),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_cdb),
		cmocka_unit_test(test_cdb_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
