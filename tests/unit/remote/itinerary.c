#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "remote/itinerary.h"

enum { ARENA_MAX = 64 * 1024 };

#define TO(...) \
	{ (const struct bytes[]){ __VA_ARGS__ }, \
	    sizeof((const struct bytes[]){ __VA_ARGS__ }) / sizeof(struct bytes) }

static struct config_route routes[] = {
	{ .domain = BYTES_INIT("one.example"), .tls = ROUTE_TLS_VERIFY,
	    .to = TO(BYTES_INIT("[mx.one.example]:2525")) },
	{ .domain = BYTES_INIT(".two.example"),
	    .to = TO(BYTES_INIT("[192.0.2.1]"), BYTES_INIT("smart.example:587")) },
	{ .domain = BYTES_INIT("same.example"),
	    .to = TO(BYTES_INIT("[192.0.2.1]"), BYTES_INIT("smart.example:587")) },
	{ .domain = BYTES_INIT("other.example"), .tls = ROUTE_TLS_REQUIRE,
	    .to = TO(BYTES_INIT("[192.0.2.1]"), BYTES_INIT("smart.example:587")) },
	{ .domain = BYTES_INIT("strict.example"), .tls = ROUTE_TLS_REQUIRE,
	    .to = TO(BYTES_INIT("")) },
	{ .domain = BYTES_INIT("login.example"), .tls = ROUTE_TLS_VERIFY,
	    .to = TO(BYTES_INIT("smart.example")), .user = BYTES_INIT("joe") },
	{ .domain = BYTES_INIT("secret.example"), .tls = ROUTE_TLS_VERIFY,
	    .to = TO(BYTES_INIT("smart.example")), .user = BYTES_INIT("joe") },
};

static const struct bytes passwords = BYTES_INIT("secret.example open sesame\n");

static const struct config config = {
	.hostname = BYTES_INIT("out.near.example"),
	.route = routes,
	.n_route = sizeof routes / sizeof routes[0],
};

/* "host:port host:port", those whose MX records are not asked for with a '='. */
static void
hops(void **state)
{
	static const struct {
		const char           *domain;
		enum itinerary_result result;
		const char           *hops;
		const char           *policy; /* whose counts */
		enum config_route_tls tls;
	} rows[] = {
		{ "far.example", ITINERARY_OK, "far.example:25", "far.example", ROUTE_TLS_MAY },
		{ "[192.0.2.7]", ITINERARY_OK, "=192.0.2.7:25", "[192.0.2.7]", ROUTE_TLS_MAY },
		{ "[ipv6:2001:db8::1]", ITINERARY_OK, "=2001:db8::1:25", "[ipv6:2001:db8::1]", ROUTE_TLS_MAY },
		{ "one.example", ITINERARY_OK, "=mx.one.example:2525", "", ROUTE_TLS_VERIFY },
		{ "two.example", ITINERARY_OK, "two.example:25", "two.example", ROUTE_TLS_MAY },
		{ "a.two.example", ITINERARY_OK, "=192.0.2.1:25 smart.example:587", "", ROUTE_TLS_MAY },
		{ "strict.example", ITINERARY_OK, "strict.example:25", "strict.example", ROUTE_TLS_REQUIRE },
		{ "login.example", ITINERARY_NO_PASSWORD, "", "", ROUTE_TLS_VERIFY },
		{ "", ITINERARY_BAD_DOMAIN, "", "", ROUTE_TLS_MAY },
		{ "a..example", ITINERARY_BAD_DOMAIN, "", "", ROUTE_TLS_MAY },
		{ "[192.0.2.300]", ITINERARY_BAD_DOMAIN, "", "", ROUTE_TLS_MAY },
		{ "[x400:c=us]", ITINERARY_BAD_DOMAIN, "", "", ROUTE_TLS_MAY },
		/* an address without brackets is no domain: RFC 5321 section 4.1.3 */
		{ "192.0.2.7", ITINERARY_BAD_DOMAIN, "", "", ROUTE_TLS_MAY },
		{ "far.example:26", ITINERARY_BAD_DOMAIN, "", "", ROUTE_TLS_MAY },
		{ "[192.0.2.7]:26", ITINERARY_BAD_DOMAIN, "", "", ROUTE_TLS_MAY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct itinerary to;
		struct arena     arena;
		struct buf       b;

		arena_init(&arena, ARENA_MAX);
		buf_init(&b, 1024);
		assert_int_equal(itinerary_of(&config, passwords, bytes_of(rows[i].domain),
		                     &arena, &to), rows[i].result);
		if (rows[i].result == ITINERARY_OK) {
			for (size_t k = 0; k < to.n_hops; k++)
				buf_addf(&b, "%s%s%.*s:%u", k > 0 ? " " : "",
				    to.hops[k].is_exact ? "=" : "",
				    BYTES_ARG(to.hops[k].host), to.hops[k].port);
			assert_string_equal(buf_string(&b), rows[i].hops);
			assert_true(bytes_equal(to.domain, bytes_of(rows[i].policy)));
			assert_int_equal(to.is_routed, to.domain.n == 0);
			assert_int_equal(to.tls, rows[i].tls);
			assert_true(bytes_equal(to.hostname, config.hostname));
		}
		buf_finish(&b);
		arena_finish(&arena);
	}
}

/* Who goes the same way shares connections, and nobody else. */
static void
keys(void **state)
{
	static const struct {
		const char *a, *b;
		bool        is_same;
	} rows[] = {
		{ "a.two.example", "b.two.example", true },
		{ "a.two.example", "same.example", true },
		{ "same.example", "other.example", false },
		{ "far.example", "near.example", false },
		{ "far.example", "far.example", true },
		{ "far.example", "[192.0.2.1]", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct itinerary a, b;
		struct arena     arena;

		arena_init(&arena, ARENA_MAX);
		assert_int_equal(itinerary_of(&config, passwords, bytes_of(rows[i].a), &arena, &a),
		    ITINERARY_OK);
		assert_int_equal(itinerary_of(&config, passwords, bytes_of(rows[i].b), &arena, &b),
		    ITINERARY_OK);
		assert_int_equal(bytes_equal(a.key, b.key), rows[i].is_same);
		arena_finish(&arena);
	}
}

/* It goes with its route and with no other, and stays where it was. */
static void
password(void **state)
{
	struct itinerary to;
	struct arena     arena;

	(void)state;
	arena_init(&arena, ARENA_MAX);
	assert_int_equal(itinerary_of(&config, passwords, BYTES("secret.example"),
	    &arena, &to), ITINERARY_OK);
	assert_true(bytes_equal(to.user, BYTES("joe")));
	assert_true(bytes_equal(to.password, BYTES("open sesame")));
	assert_ptr_equal(to.password.p, passwords.p + strlen("secret.example "));
	assert_int_equal(itinerary_of(&config, passwords, BYTES("one.example"),
	    &arena, &to), ITINERARY_OK);
	assert_int_equal(to.user.n, 0);
	assert_int_equal(to.password.n, 0);
	arena_finish(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hops),
		cmocka_unit_test(keys),
		cmocka_unit_test(password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
