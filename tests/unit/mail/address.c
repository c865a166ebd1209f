#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "mail/address.h"

#define L10 "abcdefghij"
#define L60 L10 L10 L10 L10 L10 L10
#define L63 L60 "abc"

static void
assert_canonical(const struct address *a, const char *expected)
{
	struct buf b;

	buf_init(&b, 1000);
	address_add_canonical(&b, a);
	assert_string_equal(buf_string(&b), expected);
	buf_finish(&b);
}

static void
good_mailboxes(void **state)
{
	static const struct {
		const char *text, *local, *domain, *canonical;
	} rows[] = {
		{ "a@b", "a", "b", "a@b" },
		{ "Joe.User+Tag@Example.ORG", "Joe.User+Tag", "Example.ORG",
		    "joe.user+tag@example.org" },
		{ "!#$%&'*+-/=?^_`{|}~@b", "!#$%&'*+-/=?^_`{|}~", "b",
		    "!#$%&'*+-/=?^_`{|}~@b" },
		{ "-@1-2", "-", "1-2", "-@1-2" },
		{ "a@1.2", "a", "1.2", "a@1.2" },
		{ "\"\"@b", "\"\"", "b", "\"\"@b" },
		{ "\"Joe\"@b", "\"Joe\"", "b", "joe@b" },
		{ "\"\\J\\o\\e\"@b", "\"\\J\\o\\e\"", "b", "joe@b" },
		{ "\"a.b\"@c", "\"a.b\"", "c", "a.b@c" },
		{ "\"a..b\"@c", "\"a..b\"", "c", "\"a..b\"@c" },
		{ "\".a\"@c", "\".a\"", "c", "\".a\"@c" },
		{ "\"a.\"@c", "\"a.\"", "c", "\"a.\"@c" },
		{ "\"A B\"@c", "\"A B\"", "c", "\"a b\"@c" },
		{ "\"a\\ b\"@c", "\"a\\ b\"", "c", "\"a b\"@c" },
		{ "\"a\\\"b\\\\\"@c", "\"a\\\"b\\\\\"", "c", "\"a\\\"b\\\\\"@c" },
		{ "\"a@b>\"@c", "\"a@b>\"", "c", "\"a@b>\"@c" },
		{ "a@[127.0.0.1]", "a", "[127.0.0.1]", "a@[127.0.0.1]" },
		{ "a@[001.02.3.255]", "a", "[001.02.3.255]", "a@[001.02.3.255]" },
		{ "a@[IPv6:::1]", "a", "[IPv6:::1]", "a@[ipv6:::1]" },
		{ "a@[ipv6:2001:DB8::]", "a", "[ipv6:2001:DB8::]",
		    "a@[ipv6:2001:db8::]" },
		{ "a@[X-Tag:any>\"thing:]", "a", "[X-Tag:any>\"thing:]",
		    "a@[x-tag:any>\"thing:]" },
		{ L60 "abcd@b", L60 "abcd", "b", L60 "abcd@b" },
		{ "a@" L63 ".b", "a", L63 ".b", "a@" L63 ".b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address a;

		assert_true(address_parse(bytes_of(rows[i].text), &a));
		assert_true(bytes_equal(a.local, bytes_of(rows[i].local)));
		assert_true(bytes_equal(a.domain, bytes_of(rows[i].domain)));
		assert_int_equal(a.is_quoted, rows[i].local[0] == '"');
		assert_int_equal(a.is_literal, rows[i].domain[0] == '[');
		assert_canonical(&a, rows[i].canonical);
	}
}

static void
bad_mailboxes(void **state)
{
	static const struct bytes bad[] = {
		BYTES_INIT(""), BYTES_INIT("a"), BYTES_INIT("@"),
		BYTES_INIT("a@"), BYTES_INIT("@b"), BYTES_INIT("<a@b>"),
		/* dots */
		BYTES_INIT(".a@b"), BYTES_INIT("a.@b"), BYTES_INIT("a..b@c"),
		BYTES_INIT("a@.b"), BYTES_INIT("a@b."), BYTES_INIT("a@b..c"),
		BYTES_INIT("a@."), BYTES_INIT(".@b"),
		/* two of them */
		BYTES_INIT("a@b@c"), BYTES_INIT("a@b,c@d"), BYTES_INIT("a@b c@d"),
		/* blanks, controls, eight bits */
		BYTES_INIT(" a@b"), BYTES_INIT("a @b"), BYTES_INIT("a@ b"),
		BYTES_INIT("a@b "), BYTES_INIT("a@b\t"), BYTES_INIT("a@b\r"),
		BYTES_INIT("a@b\n"), BYTES_INIT("a@b\0"), BYTES_INIT("\0a@b"),
		BYTES_INIT("a\0@b"), BYTES_INIT("a\x7f@b"), BYTES_INIT("a\x01@b"),
		BYTES_INIT("\xc3\xa9@b"), BYTES_INIT("a@\xc3\xa9"),
		BYTES_INIT("\"\xc3\xa9\"@b"), BYTES_INIT("\"\\\xe9\"@b"),
		BYTES_INIT("\"\0\"@b"), BYTES_INIT("\"\\\0\"@b"),
		BYTES_INIT("\"a\tb\"@c"), BYTES_INIT("\"a\\\tb\"@c"),
		BYTES_INIT("\"a\r\n b\"@c"), BYTES_INIT("\"\x7f\"@b"),
		/* quotes */
		BYTES_INIT("\"a@b"), BYTES_INIT("\"a\\\"@b"), BYTES_INIT("\""),
		BYTES_INIT("\"\\"), BYTES_INIT("\"a\"b@c"),
		BYTES_INIT("a\"b\"@c"), BYTES_INIT("\"a\".b@c"),
		BYTES_INIT("\"a\"\"b\"@c"), BYTES_INIT("a\\@b@c"),
		BYTES_INIT("\"a\""), BYTES_INIT("\"a\"@"),
		/* specials, comments */
		BYTES_INIT("a(b)@c"), BYTES_INIT("a@b(c)"), BYTES_INIT("a:b@c"),
		BYTES_INIT("a;b@c"), BYTES_INIT("a,b@c"), BYTES_INIT("a>b@c"),
		BYTES_INIT("[a]@c"),
		/* domains */
		BYTES_INIT("a@-b"), BYTES_INIT("a@b-"), BYTES_INIT("a@b-.c"),
		BYTES_INIT("a@b.-c"), BYTES_INIT("a@b_c"), BYTES_INIT("a@b/c"),
		BYTES_INIT("a@" L63 "d.e"), BYTES_INIT("a@b." L63 "d"),
		BYTES_INIT(L60 "abcde@b"),
		BYTES_INIT("\"" L60 "abc\"@b"), /* the quotes count */
		/* literals */
		BYTES_INIT("a@[]"), BYTES_INIT("a@["), BYTES_INIT("a@[1.2.3.4"),
		BYTES_INIT("a@1.2.3.4]"), BYTES_INIT("a@[1.2.3.4]b"),
		BYTES_INIT("a@[1.2.3.4].b"), BYTES_INIT("a@b.[1.2.3.4]"),
		BYTES_INIT("a@[1.2.3]"), BYTES_INIT("a@[1.2.3.4.]"),
		BYTES_INIT("a@[1.2.3.4.5]"), BYTES_INIT("a@[1.2..4]"),
		BYTES_INIT("a@[1.2.3.256]"), BYTES_INIT("a@[1.2.3.0004]"),
		BYTES_INIT("a@[1.2.3.-4]"), BYTES_INIT("a@[ 1.2.3.4]"),
		BYTES_INIT("a@[1.2.3.4 ]"), BYTES_INIT("a@[1.2.3.4\0]"),
		BYTES_INIT("a@[::1]"), BYTES_INIT("a@[2001:db8::1]"),
		BYTES_INIT("a@[tag]"), BYTES_INIT("a@[tag:]"),
		BYTES_INIT("a@[:x]"), BYTES_INIT("a@[tag-:x]"),
		BYTES_INIT("a@[t_g:x]"), BYTES_INIT("a@[tag:x y]"),
		BYTES_INIT("a@[tag:x[y]"), BYTES_INIT("a@[tag:x\\y]"),
		BYTES_INIT("a@[tag:x]y]"), BYTES_INIT("a@[tag:\xe9]"),
		BYTES_INIT("a@[tag:\x7f]"), BYTES_INIT("a@[tag:a\0]"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct address a;

		if (address_parse(bad[i], &a))
			fail_msg("accepted: %.*s", BYTES_ARG(bad[i]));
	}
}

static void
ipv6_literals(void **state)
{
	static const struct {
		const char *text;
		bool        is_good;
	} rows[] = {
		{ "1:2:3:4:5:6:7:8", true },
		{ "1111:2222:3333:4444:5555:6666:aAaA:FfFf", true },
		{ "::", true }, { "::8", true }, { "1::", true }, { "1::8", true },
		{ "::3:4:5:6:7:8", true }, { "1:2:3:4:5:6::", true },
		{ "::2:3:4:5:6:7:8", true }, { "1:2:3:4:5:6:7::", true },
		{ "1:2:3::5:6:7:8", true },
		{ "1:2:3:4:5:6:1.2.3.4", true }, { "::1.2.3.4", true },
		{ "1::1.2.3.4", true }, { "1:2:3:4::1.2.3.4", true },
		{ "1:2:3:4:5::1.2.3.4", true }, { "::ffff:1.2.3.4", true },
		{ "", false }, { ":", false }, { ":::", false }, { "::::", false },
		{ "1", false }, { "1:2:3:4:5:6:7", false },
		{ "1:2:3:4:5:6:7:8:9", false }, { "1:2:3:4:5:6:7:8:", false },
		{ ":1:2:3:4:5:6:7:8", false }, { ":2:3:4:5:6:7:8", false },
		{ "1:2:3:4:5:6:7:", false }, { "1:2:3:4::5:6:7:8", false },
		{ "::1:2:3:4:5:6:7:8", false }, { "1:2:3:4:5:6:7:8::", false },
		{ "1::2::3", false }, { "1:::2", false }, { "1::2:", false },
		{ ":1::2", false }, { "12345::", false }, { "g::", false },
		{ "1:2:3:4:5:1.2.3.4", false }, { "1:2:3:4:5:6:7:1.2.3.4", false },
		{ "1:2:3:4:5:6::1.2.3.4", false }, { "1.2.3.4::", false },
		{ "::1.2.3.4:1", false }, { "1.2.3.4", false },
		{ "::1.2.3", false }, { "::1.2.3.256", false }, { "::1 ", false },
		{ "fe80::1%25eth0", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char           text[100] = "a@[IPv6:";
		struct address a;

		strcat(text, rows[i].text);
		strcat(text, "]");
		if (address_parse(bytes_of(text), &a) != rows[i].is_good)
			fail_msg("%s", text);
	}
}

/* Labels of 49 letters and a dot, then as many letters as n still wants. */
static struct bytes
long_domain(char *room, size_t n)
{
	for (size_t i = 0; i < n; i++)
		room[i] = i % 50 == 49 ? '.' : 'a';
	return (struct bytes){ room, n };
}

static void
limits(void **state)
{
	char           text[400] = "a@";
	struct address a;

	(void)state;
	assert_true(address_domain_is_valid(long_domain(text, 255)));
	assert_false(address_domain_is_valid(long_domain(text, 256)));
	memcpy(text, "a@", 2);
	long_domain(text + 2, 300);
	assert_true(address_parse((struct bytes){ text, 254 }, &a));
	assert_false(address_parse((struct bytes){ text, 255 }, &a));

	/* a literal, of 255 octets with its brackets */
	memset(text, 'x', sizeof text);
	memcpy(text, "[tag:", 5);
	text[254] = ']';
	assert_true(address_domain_is_valid((struct bytes){ text, 255 }));
	text[254] = 'x';
	text[255] = ']';
	assert_false(address_domain_is_valid((struct bytes){ text, 256 }));
}

static void
paths(void **state)
{
	static const struct {
		const char      *text;
		enum path_result result;
		const char      *local, *domain, *rest;
	} rows[] = {
		{ "<>", PATH_NULL, "", "", "" },
		{ "<> SIZE=1", PATH_NULL, "", "", " SIZE=1" },
		{ "<a@b>", PATH_OK, "a", "b", "" },
		{ "<a@b>BODY=8BITMIME", PATH_OK, "a", "b", "BODY=8BITMIME" },
		{ "<a@b>>", PATH_OK, "a", "b", ">" },
		{ "<\"a>b\"@c> X", PATH_OK, "\"a>b\"", "c", " X" },
		{ "<\"\\\">\"@c>", PATH_OK, "\"\\\">\"", "c", "" },
		{ "<a@[tag:>]>", PATH_OK, "a", "[tag:>]", "" },
		{ "<Postmaster>", PATH_POSTMASTER, "Postmaster", "", "" },
		{ "<pOSTMASTER> x", PATH_POSTMASTER, "pOSTMASTER", "", " x" },
		{ "<postmaster@b>", PATH_OK, "postmaster", "b", "" },
		{ "<@r:a@b>", PATH_OK, "a", "b", "" },
		{ "<@r.example,@s-t:a@b>", PATH_OK, "a", "b", "" },
		{ "", PATH_INVALID, NULL, NULL, NULL },
		{ "<", PATH_INVALID, NULL, NULL, NULL },
		{ ">", PATH_INVALID, NULL, NULL, NULL },
		{ "a@b", PATH_INVALID, NULL, NULL, NULL },
		{ " <a@b>", PATH_INVALID, NULL, NULL, NULL },
		{ "<a@b", PATH_INVALID, NULL, NULL, NULL },
		{ "< >", PATH_INVALID, NULL, NULL, NULL },
		{ "< a@b>", PATH_INVALID, NULL, NULL, NULL },
		{ "<a@b >", PATH_INVALID, NULL, NULL, NULL },
		{ "<a@b.>", PATH_INVALID, NULL, NULL, NULL },
		{ "<a>", PATH_INVALID, NULL, NULL, NULL },
		{ "<postmaster", PATH_INVALID, NULL, NULL, NULL },
		{ "<postmasters>", PATH_INVALID, NULL, NULL, NULL },
		{ "<<a@b>>", PATH_INVALID, NULL, NULL, NULL },
		{ "<@r>", PATH_INVALID, NULL, NULL, NULL },
		{ "<@r:>", PATH_INVALID, NULL, NULL, NULL },
		{ "<@r:postmaster>", PATH_INVALID, NULL, NULL, NULL },
		{ "<@r,a@b>", PATH_INVALID, NULL, NULL, NULL },
		{ "<@r,:a@b>", PATH_INVALID, NULL, NULL, NULL },
		{ "<@r,s:a@b>", PATH_INVALID, NULL, NULL, NULL },
		{ "<@r @s:a@b>", PATH_INVALID, NULL, NULL, NULL },
		{ "<@r, @s:a@b>", PATH_INVALID, NULL, NULL, NULL },
		{ "<@:a@b>", PATH_INVALID, NULL, NULL, NULL },
		{ "<@r.:a@b>", PATH_INVALID, NULL, NULL, NULL },
		{ "<@-r:a@b>", PATH_INVALID, NULL, NULL, NULL },
		{ "<@[1.2.3.4]:a@b>", PATH_INVALID, NULL, NULL, NULL },
		{ "<r:a@b>", PATH_INVALID, NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address a = { .local = BYTES("untouched") };
		struct bytes   rest = BYTES("untouched");

		assert_int_equal(address_parse_path(
		    bytes_of(rows[i].text), &a, &rest), rows[i].result);
		if (rows[i].result == PATH_INVALID) {
			assert_true(bytes_equal(a.local, BYTES("untouched")));
			assert_true(bytes_equal(rest, BYTES("untouched")));
			continue;
		}
		assert_true(bytes_equal(a.local, bytes_of(rows[i].local)));
		assert_true(bytes_equal(a.domain, bytes_of(rows[i].domain)));
		assert_true(bytes_equal(rest, bytes_of(rows[i].rest)));
	}
}

/* A path of 256 octets with its brackets, the source route counted. */
static void
the_limit_of_a_path(void **state)
{
	char           text[400];
	struct address a;
	struct bytes   rest;

	(void)state;
	for (size_t n = 255; n <= 257; n++) {
		bool is_good = n <= 256;

		memcpy(text, "<@r:a@", 6);
		long_domain(text + 6, n - 7);
		text[n - 1] = '>';
		assert_int_equal(address_parse_path(
		    (struct bytes){ text, n }, &a, &rest) == PATH_OK, is_good);
	}
}

static void
canonical_forms_by_hand(void **state)
{
	char           local[100];
	struct address postmaster = { .local = BYTES("PostMaster") };
	struct address dotted = { .local = BYTES("A"), .domain = BYTES("B.C.") };
	struct address too_long = { .is_quoted = true, .domain = BYTES("b") };
	struct buf     b;

	(void)state;
	assert_canonical(&postmaster, "postmaster");
	assert_canonical(&dotted, "a@b.c");

	memset(local, 'a', sizeof local);
	local[0] = local[sizeof local - 1] = '"';
	too_long.local = (struct bytes){ local, sizeof local };
	buf_init(&b, 1000);
	address_add_canonical(&b, &too_long);
	assert_true(b.failed);
	buf_finish(&b);
}

/* Without quoting, in its own case. */
static void
plain_local_parts(void **state)
{
	static const struct {
		const char *text, *plain;
	} rows[] = {
		{ "Joe.User+Tag@b", "Joe.User+Tag" },
		{ "\"Joe\"@b", "Joe" },
		{ "\"A B\"@c", "A B" },
		{ "\"\\J\\o\\e\"@b", "Joe" },
		{ "\"a\\\"b\\\\\"@c", "a\"b\\" },
		{ "\"\"@b", "" },
		{ "\"a@b/c\"@c", "a@b/c" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address a;
		struct buf     b;

		buf_init(&b, 100);
		assert_true(address_parse(bytes_of(rows[i].text), &a));
		address_add_plain_local(&b, &a);
		assert_string_equal(buf_string(&b), rows[i].plain);
		buf_finish(&b);
	}
}

static void
domains(void **state)
{
	static const char *const good[] = {
		"a", "example.org", "1.2.3.4", "xn--a", "[1.2.3.4]", "[IPv6:::]" };
	static const char *const bad[] = {
		"", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "a b", " a", "a@b",
		"1.2.3.4]", "[1.2.3.4", "[1.2.3.4]x", "[::]", "*", "\xc3\xa9" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(address_domain_is_valid(bytes_of(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(address_domain_is_valid(bytes_of(bad[i])));
	assert_false(address_domain_is_valid(BYTES("a\0")));
	assert_false(address_domain_is_valid(bytes_of(NULL)));
}

static void
relay_probes(void **state)
{
	static const struct {
		const char *text;
		bool        is_probe;
	} rows[] = {
		{ "a@b", false }, { "a+c=d@b", false }, { "\"a b\"@c", false },
		{ "a%c@b", true }, { "c!a@b", true }, { "\"a@c\"@b", true },
		{ "\"a%c\"@b", true }, { "\"c!a\"@b", true },
		{ "\"a\\@c\"@b", true }, { "\"a\\%c\"@b", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address a;

		assert_true(address_parse(bytes_of(rows[i].text), &a));
		assert_int_equal(address_is_relay_probe(&a), rows[i].is_probe);
	}
}

/* RFC 6531 section 3.3; none of them is an address without it. */
static void
utf8_mailboxes(void **state)
{
	static const struct {
		const char *text, *canonical; /* NULL: no mailbox */
	} rows[] = {
		{ "j\xc3\xb6rg@b", "j\xc3\xb6rg@b" },
		{ "J\xc3\x96rg@B", "j\xc3\x96rg@b" },
		{ "\"j\xc3\xb6rg\"@b", "j\xc3\xb6rg@b" },
		{ "\"\xc3\xb6 x\"@b", "\"\xc3\xb6 x\"@b" },
		{ "jo\xcc\x88rg@b", "jo\xcc\x88rg@b" }, /* not composed */
		{ "a@b\xc3\xbc""cher.example", "a@xn--bcher-kva.example" },
		{ "a@B\xc3\x9c""cher.EXAMPLE", "a@xn--bcher-kva.example" },
		{ "a@bu\xcc\x88""cher.example", "a@xn--bcher-kva.example" },
		{ "a@xn--bcher-kva.b\xc3\xbc""cher", "a@xn--bcher-kva.xn--bcher-kva" },
		{ "a@stra\xc3\x9f""e.example", "a@xn--strae-oqa.example" },
		{ "a@a\xe3\x80\x82""b", "a@a.b" }, /* an ideographic full stop */
		{ "\xe4\xbe\x8b@\xe4\xbe\x8b.\xe4\xbe\x8b", "\xe4\xbe\x8b@xn--fsq.xn--fsq" },
		/* no such domain */
		{ "a@\xe2\x98\x83", NULL },
		{ "a@-\xc3\xbc", NULL },
		{ "a@\xc3\xbc-.b", NULL },
		{ "a@\xc3\xbc..b", NULL },
		{ "a@\xc3\xbc.", NULL },
		{ "a@\xc3\xbc_b", NULL },
		{ "a@\xc3\xbc\xe3\x80\x82", NULL },
		{ "a@\xe2\x84\x80.b", NULL }, /* maps to a/c */
		{ "a@[x:\xc3\xbc]", NULL },
		{ "a@[\xc3\xbc:x]", NULL },
		/* no UTF-8, or not what it seems */
		{ "\xfc@b", NULL },
		{ "a@\xfc", NULL },
		{ "\xc0\xaf@b", NULL },
		{ "\xed\xa0\x80@b", NULL },
		{ "\xc2\x85@b", NULL },
		{ "\"\xc2\x85\"@b", NULL },
		{ "a\xe2\x80\xae@b", NULL },
		{ "a\xe2\x80\xa8@b", NULL },
		{ "\xc3@b", NULL },
		/* octets are counted */
		{ L60 "ab\xc3\xbc@b", L60 "ab\xc3\xbc@b" },
		{ L60 "abc\xc3\xbc@b", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address a;
		bool           is_good = address_parse_utf8(bytes_of(rows[i].text), &a);

		if (is_good != (rows[i].canonical != NULL))
			fail_msg("row %zu: %s", i, rows[i].text);
		assert_false(address_parse(bytes_of(rows[i].text), &a));
		if (!is_good)
			continue;
		assert_true(address_parse_utf8(bytes_of(rows[i].text), &a));
		assert_true(a.is_utf8);
		assert_canonical(&a, rows[i].canonical);
	}
}

/* A U-label may be longer than 63 octets; the A-label may not, nor make the whole too long. */
static void
utf8_lengths(void **state)
{
	struct address a;
	struct buf     text;

	(void)state;
	buf_init(&text, 1000);
	buf_add_string(&text, "a@");
	for (int i = 0; i < 50; i++)
		buf_add_string(&text, "\xe4\xbe\x8b");
	assert_true(address_parse_utf8(buf_bytes(&text), &a));
	for (int i = 0; i < 10; i++)
		buf_add_string(&text, "\xe4\xbe\x8b");
	assert_false(address_parse_utf8(buf_bytes(&text), &a));
	buf_clear(&text);
	buf_add_string(&text, "a@\xc3\xbc");
	while (text.len < 220)
		buf_add_string(&text, ".\xc3\xbc");
	assert_false(address_parse_utf8(buf_bytes(&text), &a));
	buf_finish(&text);
}

static void
utf8_paths(void **state)
{
	static const struct {
		const char      *text;
		enum path_result result;
		bool             is_utf8;
	} rows[] = {
		{ "<j\xc3\xb6rg@b> \xff", PATH_OK, true },
		{ "<@\xc3\xbc:a@b>", PATH_OK, true },
		{ "<@\xfc:a@b>", PATH_INVALID, false },
		{ "<\xfc@b>", PATH_INVALID, false },
		{ "<a@b> \xc3\xbc", PATH_OK, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address a = { .is_utf8 = false };
		struct bytes   rest;

		assert_int_equal(address_parse_path(bytes_of(rows[i].text), &a, &rest),
		    rows[i].result);
		assert_int_equal(a.is_utf8, rows[i].is_utf8);
	}
}

static void
suffixes(void **state)
{
	static const struct {
		const char *path, *suffix, *result; /* NULL: no address */
	} rows[] = {
		{ "<Joe@B.example>", "", "joe@b.example" },
		{ "<Joe@B.example>", ".c", "joe@b.example.c" },
		{ "<Joe@B.example>", "@fix.example", "\"joe@b.example\"@fix.example" },
		{ "<Joe@B.example>", "@FIX", "\"joe@b.example\"@fix" },
		{ "<a.b@c>", "d@e@f", "\"a.b@cd@e\"@f" },
		{ "<\"a b\"@c>", ".d", "\"a b\"@c.d" },
		{ "<\"a b\"@c>", "@d", "\"a b@c\"@d" },
		{ "<\"a\\\"b\\\\\"@c>", "@d", "\"a\\\"b\\\\@c\"@d" },
		{ "<\"joe\"@c>", ".d", "joe@c.d" },
		{ "<\"a@b\"@c>", "@d", "\"a@b@c\"@d" },
		{ "<joe@[192.0.2.1]>", "@d", "\"joe@[192.0.2.1]\"@d" },
		{ "<Postmaster>", "@d", "postmaster" },
		{ "<joe@[192.0.2.1]>", ".d", NULL },
		{ "<joe@c>", "@", NULL },
		{ "<joe@c>", "@d e", NULL },
		{ "<joe@c>", "-", NULL },
		{ "<joe@c>", "..d", NULL },
		{ "<joe@" L60 ">", "@d", NULL },
		{ "<joe@c>", "." L60 "." L60 "." L60 "." L60 "." L60, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct address a;
		struct bytes   rest;
		struct buf     b;

		buf_init(&b, 1000);
		assert_true(address_parse_path(bytes_of(rows[i].path), &a, &rest) !=
		    PATH_INVALID);
		if (address_add_suffixed(&b, &a, bytes_of(rows[i].suffix)) !=
		    (rows[i].result != NULL))
			fail_msg("%s %s", rows[i].path, rows[i].suffix);
		assert_string_equal(buf_string(&b), rows[i].result ? rows[i].result : "");
		buf_finish(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_mailboxes),
		cmocka_unit_test(bad_mailboxes),
		cmocka_unit_test(ipv6_literals),
		cmocka_unit_test(limits),
		cmocka_unit_test(paths),
		cmocka_unit_test(the_limit_of_a_path),
		cmocka_unit_test(canonical_forms_by_hand),
		cmocka_unit_test(plain_local_parts),
		cmocka_unit_test(suffixes),
		cmocka_unit_test(domains),
		cmocka_unit_test(relay_probes),
		cmocka_unit_test(utf8_mailboxes),
		cmocka_unit_test(utf8_lengths),
		cmocka_unit_test(utf8_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
