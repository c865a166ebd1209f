#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/dns_record.h"

#define LABEL_63 \
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define WIRE_63 "\77" LABEL_63

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void
type_names(void **state)
{
	static const struct {
		const char   *text;
		enum dns_type type; /* 0: none */
	} rows[] = {
		{ "A", DNS_A }, { "mx", DNS_MX }, { "Aaaa", DNS_AAAA },
		{ "TLSA", DNS_TLSA }, { "txt", DNS_TXT }, { "PTR", DNS_PTR },
		{ "CNAME", DNS_CNAME }, { "", 0 }, { "MXX", 0 }, { "M", 0 },
		{ "15", 0 }, { "ANY", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		enum dns_type type = 0;

		assert_int_equal(
		    dns_type_parse(bytes_of(rows[i].text), &type), rows[i].type != 0);
		assert_int_equal(type, rows[i].type);
	}
	assert_string_equal(dns_type_name(15), "MX");
	assert_string_equal(dns_type_name(52), "TLSA");
	assert_null(dns_type_name(0));
	assert_null(dns_type_name(255));
}

static void
names_on_the_wire(void **state)
{
	static const struct {
		struct bytes data;
		const char  *text; /* NULL: refused */
		size_t       used;
	} rows[] = {
		{ BYTES_INIT("\0"), ".", 1 },
		{ BYTES_INIT("\2mx\7Example\3NET\0"), "mx.example.net", 16 },
		{ BYTES_INIT("\1a\0trailing"), "a", 3 },
		{ BYTES_INIT("\3_25\4_tcp\2mx\0"), "_25._tcp.mx", 13 },
		{ BYTES_INIT(WIRE_63 "\0"), LABEL_63, 65 },
		{ BYTES_INIT(""), NULL, 0 },
		{ BYTES_INIT("\1"), NULL, 0 },
		{ BYTES_INIT("\1a"), NULL, 0 },         /* without an end */
		{ BYTES_INIT("\2a"), NULL, 0 },
		{ BYTES_INIT("\300\14"), NULL, 0 },     /* compressed */
		{ BYTES_INIT("\1a\300\14"), NULL, 0 },
		{ BYTES_INIT("\100" LABEL_63 "x\0"), NULL, 0 }, /* a label of 64 */
		{ BYTES_INIT("\3a.b\0"), NULL, 0 },     /* a dot in a label */
		{ BYTES_INIT("\3a\nb\0"), NULL, 0 },
		{ BYTES_INIT("\3a\0b\0"), NULL, 0 },
		{ BYTES_INIT("\3a b\0"), NULL, 0 },
		{ BYTES_INIT("\1*\0"), NULL, 0 },
		{ BYTES_INIT("\2-a\0"), NULL, 0 },
		{ BYTES_INIT("\2a-\0"), NULL, 0 },
		{ BYTES_INIT("\3\303\244x\0"), NULL, 0 },
		{ BYTES_INIT("\3a\\b\0"), NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct buf b;
		size_t     used = 0;

		buf_init(&b, 1024);
		buf_add_char(&b, '<');
		assert_int_equal(
		    dns_name_add(&b, rows[i].data, &used), rows[i].text != NULL);
		assert_int_equal(used, rows[i].used);
		assert_string_equal(
		    buf_string(&b) + 1, rows[i].text ? rows[i].text : "");
		buf_finish(&b);
	}
}

/* 255 bytes on the wire, and one more. */
static void
longest_name(void **state)
{
	static const struct bytes good = BYTES_INIT(WIRE_63 WIRE_63 WIRE_63
	    "\75abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi\0");
	static const struct bytes bad = BYTES_INIT(WIRE_63 WIRE_63 WIRE_63
	    "\76abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij\0");
	static const struct bytes text = BYTES_INIT(LABEL_63 "." LABEL_63
	    "." LABEL_63
	    ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi");
	static const struct bytes long_text = BYTES_INIT(LABEL_63 "." LABEL_63
	    "." LABEL_63
	    ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij");
	char name[DNS_NAME_MAX + 1];

	(void)state;
	assert_int_equal(good.n, DNS_NAME_MAX);
	assert_true(dns_host_read(good, name));
	assert_true(bytes_equal(bytes_of(name), text));
	assert_true(dns_name_is_host(text));
	assert_false(dns_host_read(bad, name));
	assert_false(dns_name_is_host(long_text));
}

static void
names_as_text(void **state)
{
	static const struct {
		struct bytes text;
		bool         good;
	} rows[] = {
		{ BYTES_INIT("."), true },
		{ BYTES_INIT("net"), true },
		{ BYTES_INIT("_25._tcp.MX.example.net"), true },
		{ BYTES_INIT("xn--bcher-kva.example"), true },
		{ BYTES_INIT(LABEL_63 ".net"), true },
		{ BYTES_INIT(""), false },
		{ BYTES_INIT("net."), false },
		{ BYTES_INIT(".net"), false },
		{ BYTES_INIT(".."), false },
		{ BYTES_INIT("a..b"), false },
		{ BYTES_INIT("-a.net"), false },
		{ BYTES_INIT("a-.net"), false },
		{ BYTES_INIT("a b.net"), false },
		{ BYTES_INIT("a\n.net"), false },
		{ BYTES_INIT("a\0.net"), false },
		{ BYTES_INIT("b\303\274cher.example"), false },
		{ BYTES_INIT("*.net"), false },
		{ BYTES_INIT(LABEL_63 "x.net"), false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_int_equal(dns_name_is_host(rows[i].text), rows[i].good);
}

static void
mail_exchanges(void **state)
{
	static const struct {
		struct bytes data;
		unsigned     preference;
		const char  *exchange; /* NULL: malformed */
	} rows[] = {
		{ BYTES_INIT("\0\12\2mx\3Net\0"), 10, "mx.net" },
		{ BYTES_INIT("\377\377\0"), 65535, "." },
		{ BYTES_INIT("\0"), 0, NULL },
		{ BYTES_INIT("\0\0"), 0, NULL },
		{ BYTES_INIT("\0\12\2mx\0x"), 0, NULL },
		{ BYTES_INIT("\0\12\3m.x\0"), 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct dns_mx mx;

		assert_int_equal(
		    dns_mx_read(rows[i].data, &mx), rows[i].exchange != NULL);
		if (rows[i].exchange == NULL)
			continue;
		assert_int_equal(mx.preference, rows[i].preference);
		assert_string_equal(mx.exchange, rows[i].exchange);
	}
}

static void
addresses(void **state)
{
	static const uint8_t v4[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff,
		192, 0, 2, 1 };
	struct bytes         v6 = BYTES("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1");
	uint8_t              out[16];

	(void)state;
	assert_true(dns_address_read(DNS_A, BYTES("\300\0\2\1"), out));
	assert_memory_equal(out, v4, 16);
	assert_true(dns_address_read(DNS_AAAA, v6, out));
	assert_memory_equal(out, v6.p, 16);
	assert_false(dns_address_read(DNS_A, v6, out));
	assert_false(dns_address_read(DNS_AAAA, BYTES("\300\0\2\1"), out));
	assert_false(dns_address_read(DNS_A, BYTES("\300\0\2"), out));
	assert_false(dns_address_read(DNS_A, BYTES(""), out));
	assert_false(dns_address_read(DNS_MX, v6, out));
}

static void
tlsa(void **state)
{
	struct dns_tlsa t;

	(void)state;
	assert_true(dns_tlsa_read(BYTES("\3\1\2\252\273"), &t));
	assert_int_equal(t.usage, 3);
	assert_int_equal(t.selector, 1);
	assert_int_equal(t.matching_type, 2);
	assert_true(bytes_equal(t.association, BYTES("\252\273")));
	assert_true(dns_tlsa_read(BYTES("\377\376\375\1"), &t));
	assert_int_equal(t.usage, 255);
	assert_false(dns_tlsa_read(BYTES("\3\1\1"), &t));
	assert_false(dns_tlsa_read(BYTES(""), &t));
}

static void
texts(void **state)
{
	static const struct {
		struct bytes data;
		bool         good;
		struct bytes text;
	} rows[] = {
		{ BYTES_INIT("\3v=s\3pf1"), true, BYTES_INIT("v=spf1") },
		{ BYTES_INIT("\0"), true, BYTES_INIT("") },
		{ BYTES_INIT("\1\0\0\1\n"), true, BYTES_INIT("\0\n") },
		{ BYTES_INIT(""), false, BYTES_INIT("") },
		{ BYTES_INIT("\4abc"), false, BYTES_INIT("") },
		{ BYTES_INIT("\1a\2b"), false, BYTES_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct buf b;

		buf_init(&b, 1024);
		assert_int_equal(dns_txt_add(&b, rows[i].data), rows[i].good);
		assert_true(bytes_equal(buf_bytes(&b), rows[i].text));
		buf_finish(&b);
	}
}

static void
for_people(void **state)
{
	static const struct {
		uint16_t     type;
		struct bytes data;
		const char  *text; /* NULL: malformed */
	} rows[] = {
		{ DNS_A, BYTES_INIT("\300\0\2\1"), "192.0.2.1" },
		{ DNS_A, BYTES_INIT("\300\0\2\1\1"), NULL },
		{ DNS_AAAA, BYTES_INIT("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1"),
		    "2001:db8::1" },
		{ DNS_AAAA, BYTES_INIT("\40\1"), NULL },
		{ DNS_MX, BYTES_INIT("\0\12\2mx\3net\0"), "10 mx.net" },
		{ DNS_MX, BYTES_INIT("\0\0\0"), "0 ." },
		{ DNS_MX, BYTES_INIT("\0\12\2m\n\3net\0"), NULL },
		{ DNS_PTR, BYTES_INIT("\4host\3net\0"), "host.net" },
		{ DNS_PTR, BYTES_INIT("\4host\3net\0\0"), NULL },
		{ DNS_CNAME, BYTES_INIT("\4host\0"), "host" },
		{ DNS_TXT, BYTES_INIT("\5a\"\\b\n\1\377"),
		    "\"a\\\"\\\\b\\010\" \"\\255\"" },
		{ DNS_TXT, BYTES_INIT("\0"), "\"\"" },
		{ DNS_TXT, BYTES_INIT("\5a"), NULL },
		{ DNS_TLSA, BYTES_INIT("\3\1\1\253\315\357"), "3 1 1 abcdef" },
		{ DNS_TLSA, BYTES_INIT("\3\1\1"), NULL },
		{ 99, BYTES_INIT("\1\377"), "\\# 2 01ff" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct buf b;

		buf_init(&b, 1024);
		assert_int_equal(dns_record_add(&b, rows[i].type, rows[i].data),
		    rows[i].text != NULL);
		assert_string_equal(
		    buf_string(&b), rows[i].text ? rows[i].text : "");
		buf_finish(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(type_names),
		cmocka_unit_test(names_on_the_wire),
		cmocka_unit_test(longest_name),
		cmocka_unit_test(names_as_text),
		cmocka_unit_test(mail_exchanges),
		cmocka_unit_test(addresses),
		cmocka_unit_test(tlsa),
		cmocka_unit_test(texts),
		cmocka_unit_test(for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
