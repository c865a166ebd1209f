#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "mail/verdict.h"

static void
colours(void **state)
{
	static const struct {
		int64_t     score, yellow, red;
		enum colour colour;
	} rows[] = {
		{ 4999, 5000, 7000, COLOUR_GREEN },
		{ 5000, 5000, 7000, COLOUR_YELLOW },
		{ 6999, 5000, 7000, COLOUR_YELLOW },
		{ 7000, 5000, 7000, COLOUR_RED },
		{ 7001, 5000, 7000, COLOUR_RED },
		{ -100, 5000, 7000, COLOUR_GREEN },
		{ -100, -200, 0, COLOUR_YELLOW },
		{ 5000, 5000, 5000, COLOUR_RED },
		{ 5500, 6000, 5000, COLOUR_RED },
		{ INT64_MIN, 0, 0, COLOUR_GREEN },
		{ INT64_MAX, 0, 0, COLOUR_RED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(rows[i].colour,
		    verdict_colour(rows[i].score, rows[i].yellow, rows[i].red));
}

static void
names(void **state)
{
	(void)state;
	assert_string_equal(colour_name(COLOUR_NONE), "none");
	assert_string_equal(colour_name(COLOUR_GREEN), "green");
	assert_string_equal(colour_name(COLOUR_YELLOW), "yellow");
	assert_string_equal(colour_name(COLOUR_RED), "red");
	assert_string_equal(colour_name(COLOUR_ERROR), "error");
}

static void
marks(void **state)
{
	static const struct {
		struct verdict verdict;
		const char    *marks;
	} rows[] = {
		{ { .colour = COLOUR_NONE, .summary = BYTES_INIT("x=green") }, "" },
		{ { .colour = COLOUR_GREEN }, "X-Ampel-Verdict: green\n" },
		{ { .colour = COLOUR_GREEN, .has_score = true,
		    .score_milli = 2100, .required_milli = 5000,
		    .tests = BYTES_INIT("A,B"),
		    .summary = BYTES_INIT("spamassassin=2.1/5/7 house=green") },
		    "X-Ampel-Verdict: green; spamassassin=2.1/5/7 house=green\n" },
		{ { .colour = COLOUR_YELLOW, .has_score = true,
		    .score_milli = 6100, .required_milli = 5000,
		    .tests = BYTES_INIT("A,B"),
		    .summary = BYTES_INIT("spamassassin=6.1/5/7") },
		    "X-Ampel-Verdict: yellow; spamassassin=6.1/5/7\n"
		    "X-Spam-Flag: YES\n"
		    "X-Spam-Status: Yes, score=6.1 required=5.0 tests=A,B\n" },
		{ { .colour = COLOUR_YELLOW, .has_score = true,
		    .score_milli = 6100 },
		    "X-Ampel-Verdict: yellow\n"
		    "X-Spam-Flag: YES\n"
		    "X-Spam-Status: Yes, score=6.1 tests=none\n" },
		{ { .colour = COLOUR_YELLOW, .score_milli = 6100,
		    .required_milli = 5000,
		    .summary = BYTES_INIT("house=yellow") },
		    "X-Ampel-Verdict: yellow; house=yellow\n"
		    "X-Spam-Flag: YES\n"
		    "X-Spam-Status: Yes, tests=none\n" },
		{ { .colour = COLOUR_YELLOW, .has_score = true,
		    .score_milli = 6100, .required_milli = 5000,
		    .tests = BYTES_INIT("HEADER_FROM_DIFFERENT_DOMAINS,MISSING_DATE,"
		                        "MISSING_HEADERS,MISSING_MID,NO_RELAYS"),
		    .summary = BYTES_INIT("clamav=unscanned "
		                          "spamassassin=6.1/5/7 house-rules=green "
		                          "second-house-rules=yellow") },
		    "X-Ampel-Verdict: yellow; clamav=unscanned "
		    "spamassassin=6.1/5/7\n"
		    "\thouse-rules=green second-house-rules=yellow\n"
		    "X-Spam-Flag: YES\n"
		    "X-Spam-Status: Yes, score=6.1 required=5.0\n"
		    "\ttests=HEADER_FROM_DIFFERENT_DOMAINS,MISSING_DATE,"
		    "MISSING_HEADERS,\n"
		    "\tMISSING_MID,NO_RELAYS\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf b;

		buf_init(&b, 4096);
		verdict_add_marks(&b, &rows[i].verdict);
		assert_string_equal(buf_string(&b), rows[i].marks);
		buf_finish(&b);
	}
}

/* However long the names of tests are, no line is one that SMTP cannot carry. */
static void
lines_stay_short(void **state)
{
	static char    tests[8000];
	struct verdict v = { .colour = COLOUR_YELLOW, .has_score = true,
		.tests = { tests, sizeof tests } };
	struct buf     b;
	struct bytes   rest, line;

	(void)state;
	memset(tests, 'T', sizeof tests);
	for (size_t i = 0; i < sizeof tests / 2; i += 11)
		tests[i] = ',';
	buf_init(&b, 64 * 1024);
	verdict_add_marks(&b, &v);
	rest = buf_bytes(&b);
	while (bytes_split(&rest, '\n', &line))
		assert_true(line.n <= 300);
	assert_false(b.failed);
	buf_finish(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(colours),
		cmocka_unit_test(names),
		cmocka_unit_test(marks),
		cmocka_unit_test(lines_stay_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
