#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/network.h"
#include "mail/attempts.h"

enum { MINUTE_MS = 60 * 1000 };

static const uint64_t day_ms = 24 * 60 * (uint64_t)MINUTE_MS;

/* The clock is the test's. */
static struct attempts *a;
static uint64_t         now_ms;

static int
set_up(void **state)
{
	(void)state;
	now_ms = 5;
	a = attempts_new(ATTEMPTS_ENTRIES, 4711);
	return a ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	assert_int_equal(attempts_at_once(a), 0);
	attempts_free(a);
	return 0;
}

static bool
begin(struct attempt *out, const char *address, const char *user)
{
	uint8_t bytes[16];

	assert_true(network_parse_address(bytes_of(address), bytes));
	return attempts_begin(a, bytes, bytes_of(user), now_ms, out);
}

/* One from beginning to end. How long it has to wait. */
static uint64_t
attempt(const char *address, const char *user, enum attempt_end end)
{
	struct attempt at;

	assert_true(begin(&at, address, user));
	attempts_end(a, &at, end, now_ms);
	return at.delay_ms;
}

static void
failures(unsigned times, const char *address, const char *user)
{
	while (times-- > 0)
		attempt(address, user, ATTEMPT_FAILED);
}

/* Another user from that address; that user from elsewhere. */
static uint64_t
delay_of_address(const char *address)
{
	return attempt(address, "stranger", ATTEMPT_VOID);
}

static uint64_t
delay_of_user(const char *user)
{
	return attempt("203.0.113.99", user, ATTEMPT_VOID);
}

static void
delays_grow(void **state)
{
	static const uint64_t both[] = { 0, 0, 0, 250, 500, 1000, 2000, 4000, 8000,
		8000, 8000 };

	(void)state;
	for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
		uint64_t address = both[i] < 4000 ? both[i] : 4000;

		assert_int_equal(delay_of_address("192.0.2.1"), address);
		assert_int_equal(delay_of_user("alice"), both[i]);
		assert_int_equal(attempt("192.0.2.1", "alice", ATTEMPT_FAILED),
		    both[i]);
	}
	/* nobody else is touched */
	assert_int_equal(attempt("192.0.2.2", "bob", ATTEMPT_VOID), 0);
}

static void
failures_halve(void **state)
{
	static const struct {
		unsigned minutes;
		uint64_t delay_ms;
	} rows[] = {
		{ 9, 4000 },  /* 8 failures; of these 4 s for an address */
		{ 10, 500 },  /* 4 */
		{ 19, 500 },
		{ 20, 0 },    /* 2 */
		{ 40, 0 },
		{ 100000, 0 },
	};

	(void)state;
	failures(8, "192.0.2.1", "alice");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		now_ms = 5 + (uint64_t)rows[i].minutes * MINUTE_MS;
		assert_int_equal(delay_of_address("192.0.2.1"), rows[i].delay_ms);
	}
}

/* However long it was attacked, it is over in half an hour. */
static void
failures_are_capped(void **state)
{
	(void)state;
	failures(1000, "192.0.2.1", "alice");
	assert_int_equal(delay_of_user("alice"), 8000);
	now_ms += 30 * MINUTE_MS;
	assert_int_equal(delay_of_user("alice"), 0);
	assert_int_equal(delay_of_address("192.0.2.1"), 0);
}

static void
addresses(void **state)
{
	static const struct {
		const char *address;
		uint64_t    delay_ms;
	} rows[] = {
		{ "2001:db8:1:2::77", 4000 }, /* the same /64 */
		{ "2001:db8:1:2:ffff:ffff:ffff:ffff", 4000 },
		{ "2001:db8:1:3::1", 0 },
		{ "192.0.2.1", 4000 },
		{ "192.0.2.0", 0 },
		{ "193.0.2.1", 0 },
		{ "::1", 0 }, /* not the /64 that IPv4 is mapped into */
	};

	(void)state;
	failures(10, "2001:db8:1:2::1", "alice");
	failures(10, "192.0.2.1", "alice");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(
		    delay_of_address(rows[i].address), rows[i].delay_ms);
}

/* Many at once wait as if they had come one by one. */
static void
at_once(void **state)
{
	static const uint64_t delays[] = { 0, 0, 0, 250, 500, 1000, 2000, 4000 };
	struct attempt        at[8];

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		assert_true(begin(&at[i], "192.0.2.1", "alice"));
		assert_int_equal(at[i].delay_ms, delays[i]);
	}
	assert_int_equal(attempts_at_once(a), 8);
	for (size_t i = 0; i < 8; i++)
		attempts_end(a, &at[i], i % 2 ? ATTEMPT_VOID : ATTEMPT_SUCCEEDED,
		    now_ms);
	/* they were right, or were not looked at */
	assert_int_equal(delay_of_address("192.0.2.1"), 0);
	assert_int_equal(delay_of_user("alice"), 0);
}

static void
known_pairs_do_not_wait(void **state)
{
	struct attempt at;

	(void)state;
	attempt("192.0.2.1", "alice", ATTEMPT_SUCCEEDED);
	failures(20, "192.0.2.1", "bob");      /* her address is attacked */
	failures(20, "198.51.100.1", "alice"); /* and her name */
	assert_int_equal(attempt("192.0.2.1", "alice", ATTEMPT_SUCCEEDED), 0);
	assert_int_equal(delay_of_user("alice"), 8000);
	/* a success does not help the attacker of the same address */
	assert_int_equal(delay_of_address("192.0.2.1"), 4000);
	now_ms += 30 * day_ms - 1;
	assert_true(begin(&at, "192.0.2.1", "alice"));
	assert_true(at.is_known);
	attempts_end(a, &at, ATTEMPT_VOID, now_ms); /* no success: it does not renew */
	now_ms += 1;
	assert_true(begin(&at, "192.0.2.1", "alice"));
	assert_false(at.is_known);
	attempts_end(a, &at, ATTEMPT_SUCCEEDED, now_ms);
	now_ms += 29 * day_ms;
	attempt("192.0.2.1", "alice", ATTEMPT_SUCCEEDED);
	now_ms += 29 * day_ms;
	assert_true(begin(&at, "192.0.2.1", "alice"));
	assert_true(at.is_known);
	attempts_end(a, &at, ATTEMPT_VOID, now_ms);
}

/* Who guesses from an address that a user logs in from. */
static void
known_pairs_that_fail(void **state)
{
	struct attempt at;

	(void)state;
	attempt("192.0.2.1", "alice", ATTEMPT_SUCCEEDED);
	for (int i = 0; i < ATTEMPTS_FAILURES_MAX; i++)
		assert_int_equal(
		    attempt("192.0.2.1", "alice", ATTEMPT_FAILED), 0);
	assert_int_equal(attempt("192.0.2.1", "alice", ATTEMPT_FAILED), 8000);
	assert_int_equal(delay_of_address("192.0.2.1"), 4000);
	now_ms += 10 * MINUTE_MS;
	assert_true(begin(&at, "192.0.2.1", "alice"));
	assert_true(at.is_known); /* again, for a while */
	attempts_end(a, &at, ATTEMPT_SUCCEEDED, now_ms);
	failures(ATTEMPTS_FAILURES_MAX, "192.0.2.1", "alice");
	assert_int_equal(attempt("192.0.2.1", "alice", ATTEMPT_SUCCEEDED), 8000);
	assert_int_equal(attempt("192.0.2.1", "alice", ATTEMPT_SUCCEEDED), 0);
}

static void
limits(void **state)
{
	static struct attempt at[ATTEMPTS_AT_ONCE];
	struct attempt        more, other;
	char                  text[32];
	size_t                n = 0;

	(void)state;
	while (n < ATTEMPTS_AT_ONCE_PER_PAIR)
		assert_true(begin(&at[n++], "192.0.2.1", "alice"));
	assert_false(begin(&more, "192.0.2.1", "alice"));
	assert_true(begin(&other, "192.0.2.2", "alice"));
	attempts_end(a, &other, ATTEMPT_SUCCEEDED, now_ms);
	while (n < ATTEMPTS_AT_ONCE_PER_ADDRESS) {
		snprintf(text, sizeof text, "user%zu", n);
		assert_true(begin(&at[n++], "192.0.2.1", text));
	}
	assert_false(begin(&more, "192.0.2.1", "bob"));
	/* a pair that is known minds neither */
	for (int i = 0; i < ATTEMPTS_AT_ONCE_PER_PAIR + 1; i++)
		assert_true(begin(&at[n++], "192.0.2.2", "alice"));
	while (n < ATTEMPTS_AT_ONCE) {
		snprintf(text, sizeof text, "198.51.%zu.%zu", n / 250, n % 250);
		assert_true(begin(&at[n++], text, "carol"));
	}
	assert_false(begin(&more, "203.0.113.1", "dave"));
	assert_false(begin(&more, "192.0.2.2", "alice"));
	attempts_end(a, &at[--n], ATTEMPT_VOID, now_ms);
	assert_true(begin(&at[n++], "203.0.113.1", "dave"));
	/* who was turned away is not counted */
	while (n > 0)
		attempts_end(a, &at[--n], ATTEMPT_VOID, now_ms);
	assert_int_equal(delay_of_address("192.0.2.1"), 0);
	assert_int_equal(delay_of_user("alice"), 0);
}

/* Strangers by the thousand push out the oldest, but neither who is known nor who waits. */
static void
memory_is_bounded(void **state)
{
	struct attempts *all = a;
	struct attempt   waiting;
	char             address[32], user[32];

	(void)state;
	a = attempts_new(100, 1);
	assert_non_null(a);
	attempt("192.0.2.1", "alice", ATTEMPT_SUCCEEDED);
	failures(8, "192.0.2.9", "mallory");
	assert_true(begin(&waiting, "192.0.2.2", "bob"));
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(address, sizeof address, "10.0.%u.%u", i / 250, i % 250);
		snprintf(user, sizeof user, "user%u", i);
		attempt(address, user, ATTEMPT_FAILED);
	}
	attempts_end(a, &waiting, ATTEMPT_SUCCEEDED, now_ms);
	assert_int_equal(delay_of_address("192.0.2.9"), 0); /* forgotten */
	failures(20, "192.0.2.2", "mallory");
	failures(20, "192.0.2.1", "mallory");
	assert_int_equal(attempt("192.0.2.2", "bob", ATTEMPT_SUCCEEDED), 0);
	assert_int_equal(attempt("192.0.2.1", "alice", ATTEMPT_SUCCEEDED), 0);
	attempts_free(a);
	a = all;
}

/* Names of strangers wait like others: the delay does not tell who exists. */
static void
names_are_alike(void **state)
{
	(void)state;
	failures(8, "192.0.2.1", "");
	assert_int_equal(delay_of_user(""), 8000);
	assert_int_equal(delay_of_user("a"), 0);
	failures(8, "192.0.2.3", "abcdefghijklmnopqrstuvwxyz01234");
	assert_int_equal(delay_of_user("abcdefghijklmnopqrstuvwxyz01234"), 8000);
	assert_int_equal(delay_of_user("abcdefghijklmnopqrstuvwxyz01235"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(delays_grow),
		TEST(failures_halve),
		TEST(failures_are_capped),
		TEST(addresses),
		TEST(at_once),
		TEST(known_pairs_do_not_wait),
		TEST(known_pairs_that_fail),
		TEST(limits),
		TEST(memory_is_bounded),
		TEST(names_are_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
