#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/network.h"

static void
addresses(void **state)
{
	static const struct {
		struct bytes text;
		bool         is_good, is_ipv4;
		uint8_t      address[16];
	} rows[] = {
		{ BYTES_INIT("192.0.2.1"), true, true,
		    { [10] = 0xff, 0xff, 192, 0, 2, 1 } },
		{ BYTES_INIT("::ffff:192.0.2.1"), true, true,
		    { [10] = 0xff, 0xff, 192, 0, 2, 1 } },
		{ BYTES_INIT("::1"), true, false, { [15] = 1 } },
		{ BYTES_INIT("[::1]"), true, false, { [15] = 1 } },
		{ BYTES_INIT("2001:DB8::a"), true, false,
		    { 0x20, 0x01, 0x0d, 0xb8, [15] = 10 } },
		{ BYTES_INIT("[192.0.2.1]"), false, false, { 0 } },
		{ BYTES_INIT("192.0.2"), false, false, { 0 } },
		{ BYTES_INIT("192.0.2.256"), false, false, { 0 } },
		{ BYTES_INIT("192.0.2.1 "), false, false, { 0 } },
		{ BYTES_INIT("127.1"), false, false, { 0 } },
		{ BYTES_INIT("fe80::1%eth0"), false, false, { 0 } },
		{ BYTES_INIT("[::1"), false, false, { 0 } },
		{ BYTES_INIT("::1]"), false, false, { 0 } },
		{ BYTES_INIT("[]"), false, false, { 0 } },
		{ BYTES_INIT("[[::1]]"), false, false, { 0 } },
		{ BYTES_INIT("::1\0"), false, false, { 0 } },
		{ BYTES_INIT("1:2:3:4:5:6:7:8:9"), false, false, { 0 } },
		{ BYTES_INIT("localhost"), false, false, { 0 } },
		{ BYTES_INIT("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"),
		    false, false, { 0 } },
		{ BYTES_INIT(""), false, false, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t address[16];

		assert_int_equal(network_parse_address(rows[i].text, address),
		    rows[i].is_good);
		if (!rows[i].is_good)
			continue;
		assert_memory_equal(address, rows[i].address, 16);
		assert_int_equal(network_is_ipv4(address), rows[i].is_ipv4);
	}
}

static void
networks(void **state)
{
	static const struct {
		const char *text;
		int         bits; /* -1: refused */
	} rows[] = {
		{ "10.0.0.0/8", 104 }, { "0.0.0.0/0", 96 }, { "192.0.2.1", 128 },
		{ "192.0.2.1/32", 128 }, { "::1/128", 128 }, { "::1", 128 },
		{ "::/0", 0 }, { "2001:db8::/32", 32 }, { "2001:db8::/33", 33 },
		{ "192.0.2.128/25", 121 }, { "::ffff:10.0.0.0/104", 104 },
		{ "10.0.0.1/8", -1 }, { "192.0.2.128/24", -1 }, { "::1/127", -1 },
		{ "192.0.2.1/31", -1 }, { "128.0.0.0/0", -1 }, { "10.0.0.0/33", -1 },
		{ "::/129", -1 }, { "10.0.0.0/", -1 }, { "10.0.0.0/-1", -1 },
		{ "10.0.0.0/8/8", -1 }, { "10.0.0.0/8 ", -1 }, { "/8", -1 },
		{ "10/8", -1 }, { "10.0.0.0/255.0.0.0", -1 }, { "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct network net = { .bits = 7 };
		bool           is_good = rows[i].bits >= 0;

		assert_int_equal(
		    network_parse(bytes_of(rows[i].text), &net), is_good);
		assert_int_equal(net.bits, is_good ? rows[i].bits : 7);
	}
}

static void
containing(void **state)
{
	static const struct {
		const char *net, *address;
		bool        is_in;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.255.255", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/8", "9.255.255.255", false },
		{ "192.168.128.0/17", "192.168.128.0", true },
		{ "192.168.128.0/17", "192.168.255.255", true },
		{ "192.168.128.0/17", "192.168.127.255", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.0", false },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "203.0.113.9", true },
		{ "::/0", "2001:db8::1", true },
		{ "::1/128", "::1", true },
		{ "::1/128", "::2", false },
		{ "::1/128", "127.0.0.1", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::/96", "10.0.0.1", false }, /* not the mapped addresses */
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct network net;
		uint8_t        address[16];

		assert_true(network_parse(bytes_of(rows[i].net), &net));
		assert_true(
		    network_parse_address(bytes_of(rows[i].address), address));
		assert_int_equal(
		    network_contains(&net, address), rows[i].is_in);
	}
}

static void
endpoints(void **state)
{
	static const struct {
		const char        *text, *host; /* NULL: refused */
		enum endpoint_kind kind;
		uint16_t           port;
	} rows[] = {
		{ "127.0.0.1:25", "127.0.0.1", ENDPOINT_INET, 25 },
		{ "0.0.0.0:65535", "0.0.0.0", ENDPOINT_INET, 65535 },
		{ "[::1]:25", "::1", ENDPOINT_INET6, 25 },
		{ "[::]:1", "::", ENDPOINT_INET6, 1 },
		{ "[::ffff:192.0.2.1]:25", "::ffff:192.0.2.1", ENDPOINT_INET6, 25 },
		{ "/run/a:b.sock", "/run/a:b.sock", ENDPOINT_UNIX, 0 },
		{ "127.0.0.1:0", NULL, 0, 0 },
		{ "127.0.0.1:65536", NULL, 0, 0 },
		{ "127.0.0.1:", NULL, 0, 0 },
		{ "127.0.0.1", NULL, 0, 0 },
		{ "127.0.0.1:25x", NULL, 0, 0 },
		{ "::1:25", NULL, 0, 0 },
		{ "[127.0.0.1]:25", NULL, 0, 0 },
		{ "[::1]", NULL, 0, 0 },
		{ "[::1]25", NULL, 0, 0 },
		{ "localhost:25", NULL, 0, 0 },
		{ ":25", NULL, 0, 0 },
		{ "run/sock", NULL, 0, 0 },
		{ "", NULL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes    text = bytes_of(rows[i].text);
		struct endpoint e;

		assert_int_equal(endpoint_parse(text, &e), rows[i].host != NULL);
		if (rows[i].host == NULL)
			continue;
		assert_true(bytes_equal(e.text, text));
		assert_true(bytes_equal(e.host, bytes_of(rows[i].host)));
		assert_int_equal(e.kind, rows[i].kind);
		assert_int_equal(e.port, rows[i].port);
	}
}

static void
a_path_must_fit_a_socket(void **state)
{
	char            path[109];
	struct endpoint e;

	(void)state;
	memset(path, '/', sizeof path);
	assert_true(endpoint_parse((struct bytes){ path, 107 }, &e));
	assert_false(endpoint_parse((struct bytes){ path, 108 }, &e));
	assert_false(endpoint_parse(BYTES("/run/a\0b"), &e));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(networks),
		cmocka_unit_test(containing),
		cmocka_unit_test(endpoints),
		cmocka_unit_test(a_path_must_fit_a_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
