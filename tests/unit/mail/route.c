#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/network.h"
#include "mail/config.h"
#include "mail/route.h"

static void
assert_bytes(struct bytes b, const char *expected)
{
	assert_int_equal(b.n, strlen(expected));
	assert_memory_equal(b.p ? b.p : "", expected, b.n);
}

/* --- places --- */

static void
test_hop(void **state)
{
	static const struct {
		const char *text;
		const char *host;
		bool        is_exact, is_address;
		unsigned    port;
	} rows[] = {
		{ "smart.example.net", "smart.example.net", false, false, 25 },
		{ "smart.example.net:587", "smart.example.net", false, false, 587 },
		{ "localhost:1", "localhost", false, false, 1 },
		{ "a:65535", "a", false, false, 65535 },
		{ "[smart.example.net]", "smart.example.net", true, false, 25 },
		{ "[smart.example.net]:587", "smart.example.net", true, false, 587 },
		{ "[192.0.2.1]", "192.0.2.1", true, true, 25 },
		{ "[192.0.2.1]:2525", "192.0.2.1", true, true, 2525 },
		{ "192.0.2.1", "192.0.2.1", true, true, 25 },
		{ "192.0.2.1:2525", "192.0.2.1", true, true, 2525 },
		{ "[IPv6:2001:db8::1]:25", "2001:db8::1", true, true, 25 },
		{ "[ipv6:2001:db8::1]", "2001:db8::1", true, true, 25 },
		{ "[2001:db8::1]", "2001:db8::1", true, true, 25 },
		{ "[::1]:465", "::1", true, true, 465 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct hop hop;

		assert_true(hop_parse(bytes_of(rows[i].text), &hop));
		assert_bytes(hop.host, rows[i].host);
		assert_int_equal(hop.is_exact, rows[i].is_exact);
		assert_int_equal(hop.is_address, rows[i].is_address);
		assert_int_equal(hop.port, rows[i].port);
	}
}

static void
test_no_hop(void **state)
{
	static const char *const rows[] = {
		"", ":", ":25", "a:", "a:0", "a:65536", "a:25x", "a: 25", "a:25:25",
		"a b", "a..b", "-a", "*", ".a", "a@b", "[", "]", "[]", "[]:25", "[a",
		"[a]x", "[a]:", "[a]:0", "[a]]", "[[a]]", "a]", "[a b]", "[IPv6:]",
		"[IPv6:x]", "[192.0.2.1", "2001:db8::1", "::1", "a\n",
	};
	struct hop hop;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (hop_parse(bytes_of(rows[i]), &hop))
			fail_msg("\"%s\" was taken", rows[i]);
	assert_false(hop_parse((struct bytes){ "a\0b", 3 }, &hop));
}

/* --- domains --- */

static void
test_domain(void **state)
{
	static const struct {
		const char *domain;
		bool        is_good;
	} rows[] = {
		{ "*", true },
		{ "example.net", true },
		{ ".example.net", true },
		{ ".net", true },
		{ "localhost", true },
		{ "[192.0.2.1]", true },
		{ "[ipv6:2001:db8::1]", true },
		{ "", false },
		{ ".", false },
		{ "..net", false },
		{ "*.net", false },
		{ "**", false },
		{ ".*", false },
		{ ".[192.0.2.1]", false },
		{ "a b", false },
		{ "a@b", false },
		{ "example.net:25", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (route_domain_is_valid(bytes_of(rows[i].domain)) !=
		    rows[i].is_good)
			fail_msg("\"%s\"", rows[i].domain);
}

/* --- which --- */

/* As words, so that a table says which there are. */
static void
make_routes(struct config *c, struct config_route *routes, const char *words)
{
	struct bytes rest = bytes_of(words), word;

	*c = (struct config){ .route = routes };
	while (bytes_split(&rest, ' ', &word))
		routes[c->n_route++] = (struct config_route){ .domain = word };
}

static void
test_find(void **state)
{
	static const struct {
		const char *routes;
		const char *domain;
		const char *found; /* NULL: none */
	} rows[] = {
		{ "", "example.net", NULL },
		{ "example.net", "example.net", "example.net" },
		{ "example.net", "mail.example.net", NULL },
		{ "example.net", "notexample.net", NULL },
		{ ".example.net", "mail.example.net", ".example.net" },
		{ ".example.net", "a.b.example.net", ".example.net" },
		{ ".example.net", "example.net", NULL },
		{ ".example.net", "notexample.net", NULL },
		{ "*", "example.net", "*" },
		{ "*", "[192.0.2.1]", "*" },
		/* the order of the file does not count, the narrower does */
		{ "* .net .example.net a.example.net", "a.example.net", "a.example.net" },
		{ "* .net .example.net a.example.net", "b.example.net", ".example.net" },
		{ "* .net .example.net a.example.net", "b.a.example.net", ".example.net" },
		{ "* .net .example.net a.example.net", "example.net", ".net" },
		{ "* .net .example.net a.example.net", "net", "*" },
		{ "* .net .example.net a.example.net", "example.org", "*" },
		{ "a.example.net .example.net .net *", "a.example.net", "a.example.net" },
		{ "[192.0.2.1] .1] .2.1]", "[192.0.2.1]", "[192.0.2.1]" },
		{ ".1] .2.1]", "[192.0.2.1]", NULL },
		{ "*", "", "*" },
		{ "example.net", "", NULL },
		{ ".net", ".net", ".net" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct config_route        routes[8];
		const struct config_route *found;
		struct config              c;

		make_routes(&c, routes, rows[i].routes);
		found = route_find(&c, bytes_of(rows[i].domain));
		if (rows[i].found == NULL)
			assert_null(found);
		else if (found == NULL)
			fail_msg("none for \"%s\"", rows[i].domain);
		else
			assert_bytes(found->domain, rows[i].found);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hop),
		cmocka_unit_test(test_no_hop),
		cmocka_unit_test(test_domain),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
