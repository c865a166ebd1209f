#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/sts_cached.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

#define POLICY "version: STSv1\nmode: enforce\nmax_age: 600\nmx: mx.example.net\nmx: *.example.org\n"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static const uint64_t now = 1700000000000;

static void
text_and_back(void **state)
{
	static const struct bytes patterns[] = {
		BYTES_INIT("mx.example.net"), BYTES_INIT("*.example.org"),
	};
	const struct sts_cached cached = {
		.id = BYTES("20160831085700Z"),
		.fetched_ms = now,
		.policy = { STS_ENFORCE, 600, patterns, 2 },
	};
	struct sts_cached again;
	struct arena      arena;
	struct buf        text;

	(void)state;
	buf_init(&text, 4096);
	arena_init(&arena, 4096);
	sts_cached_add(&text, BYTES("example.net"), &cached);
	assert_string_equal(buf_string(&text),
	    "ampel-policy 1 example.net 20160831085700Z 1700000000000\n" POLICY);
	assert_true(sts_cached_parse(
	    buf_bytes(&text), BYTES("example.net"), &arena, &again));
	assert_true(bytes_equal(again.id, cached.id));
	assert_int_equal(again.fetched_ms, now);
	assert_int_equal(again.policy.mode, STS_ENFORCE);
	assert_int_equal(again.policy.max_age_s, 600);
	assert_int_equal(again.policy.n_patterns, 2);
	assert_true(bytes_equal(again.policy.patterns[1], patterns[1]));
	arena_finish(&arena);
	buf_finish(&text);
}

/* What somebody else has put there, or a disk has lost. */
static void
other_texts(void **state)
{
	static const char *const rows[] = {
		"",
		POLICY,
		"ampel-policy 1 example.net A 1",
		"ampel-policy 1 example.net A 1\n",
		"ampel-policy 1 example.net A 1\nversion: STSv1\nmode: enforce\n",
		"ampel-policy 2 example.net A 1\n" POLICY,
		"ampel-policy 1example.net A 1\n" POLICY,
		"ampel-policy 1 example.com A 1\n" POLICY,
		"ampel-policy 1 Example.net A 1\n" POLICY,
		"ampel-policy 1 example.net  1\n" POLICY,
		"ampel-policy 1 example.net A\n" POLICY,
		"ampel-policy 1 example.net A \n" POLICY,
		"ampel-policy 1 example.net A x\n" POLICY,
		"ampel-policy 1 example.net A -1\n" POLICY,
		"ampel-policy 1 example.net A 1 \n" POLICY,
		"ampel-policy 1 example.net A 1 2\n" POLICY,
		"ampel-policy 1 example.net A 9223372036854775808\n" POLICY,
		"ampel-policy 1 example.net 123456789012345678901234567890123 1\n" POLICY,
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct sts_cached cached;
		struct arena      arena;

		arena_init(&arena, 4096);
		assert_false(sts_cached_parse(
		    bytes_of(rows[i]), BYTES("example.net"), &arena, &cached));
		arena_finish(&arena);
	}
}

static void
life(void **state)
{
	static const struct {
		uint64_t max_age_s, age_ms;
		bool     is_valid;
	} rows[] = {
		{ 600, 0, true },
		{ 600, 599999, true },
		{ 600, 600000, false },
		{ 600, DAY, false },
		{ 0, 0, false },
		{ STS_MAX_AGE_S, 365 * (uint64_t)DAY, true },
		{ STS_MAX_AGE_S, 366 * (uint64_t)DAY, false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct sts_cached cached = {
			.fetched_ms = now - rows[i].age_ms,
			.policy.max_age_s = rows[i].max_age_s,
		};

		assert_int_equal(sts_cached_is_valid(&cached, now), rows[i].is_valid);
	}
	/* fetched in a year to come */
	assert_true(sts_cached_is_valid(
	    &(struct sts_cached){ .fetched_ms = 2 * now, .policy.max_age_s = 1 }, now));
}

static void
steps(void **state)
{
	enum { NONE = -1, NEVER = -1 };
	static const struct {
		int64_t       age_ms; /* of the policy, whose id is A; NONE: there is none */
		const char   *announced;
		int64_t       failed_ms; /* ago */
		enum sts_step step;
	} rows[] = {
		/* nothing is known */
		{ NONE, "", NEVER, STS_ANSWER },
		{ NONE, "A", NEVER, STS_FETCH },
		{ NONE, "A", 0, STS_ANSWER },
		{ NONE, "A", 5 * MINUTE - 1, STS_ANSWER },
		{ NONE, "A", 5 * MINUTE, STS_FETCH },
		{ NONE, "", 5 * MINUTE, STS_ANSWER },
		/* a clock was set back */
		{ NONE, "A", -HOUR, STS_FETCH },
		{ -HOUR, "A", NEVER, STS_REFRESH },
		/* it is known, and unchanged, or no longer announced */
		{ 0, "A", NEVER, STS_ANSWER },
		{ 0, "", NEVER, STS_ANSWER },
		{ DAY - 1, "A", NEVER, STS_ANSWER },
		{ DAY, "A", NEVER, STS_REFRESH },
		{ DAY - 1, "", NEVER, STS_ANSWER },
		{ DAY, "", NEVER, STS_REFRESH },
		{ DAY, "A", MINUTE, STS_ANSWER },
		{ DAY, "A", 5 * MINUTE, STS_REFRESH },
		/* it has changed */
		{ 0, "B", NEVER, STS_FETCH },
		{ 0, "a", NEVER, STS_FETCH },
		{ 0, "B", MINUTE, STS_ANSWER },
		{ 0, "B", 5 * MINUTE, STS_FETCH },
		{ DAY, "B", NEVER, STS_FETCH },
		{ DAY, "B", MINUTE, STS_ANSWER },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct sts_cached cached = {
			.id = BYTES("A"),
			.fetched_ms = now - (uint64_t)rows[i].age_ms,
			.policy.max_age_s = 2 * DAY / 1000,
		};
		bool     is_cached = rows[i].age_ms != NONE;
		uint64_t failed_ms = rows[i].failed_ms == NEVER
		    ? 0
		    : now - (uint64_t)rows[i].failed_ms;

		assert_int_equal(sts_step_of(is_cached ? &cached : NULL,
		                     bytes_of(rows[i].announced), failed_ms, now),
		    rows[i].step);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back),
		cmocka_unit_test(other_texts),
		cmocka_unit_test(life),
		cmocka_unit_test(steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
