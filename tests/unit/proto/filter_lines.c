#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/filter_lines.h"

enum { NONE = -1000000 };

static void
lines(void **state)
{
	static const struct {
		const char *text;
		int64_t     score, threshold; /* or NONE */
		const char *reason, *tests, *marks;
		bool        garbled;
	} rows[] = {
		{ "", NONE, NONE, "", "", "", false },
		{ "\n\r\n", NONE, NONE, "", "", "", false },
		{ "score 6.1\n", 6100, NONE, "", "", "", false },
		{ "score -0.25\r\nthreshold 5", -250, 5000, "", "", "", false },
		{ "score 1\nscore 2\n", 2000, NONE, "", "", "", false },
		{ "test A\ntest B 1.5\ntest C -2\n", NONE, NONE, "",
		    "A,B=1.5,C=-2.0", "", false },
		{ "reason one\nreason two  \t words\x01\n", NONE, NONE,
		    "two words?", "", "", false },
		{ "reason\n", NONE, NONE, "", "", "", false },
		{ "header X-A: b c\nheader X-D:e\n", NONE, NONE, "", "",
		    "X-A: b c\nX-D: e\n", false },
		{ "header X-A:\n", NONE, NONE, "", "", "X-A: \n", false },

		/* each of these says that the program is broken */
		{ "score\n", NONE, NONE, "", "", "", true },
		{ "score nan\n", NONE, NONE, "", "", "", true },
		{ "score 1e9\n", NONE, NONE, "", "", "", true },
		{ "score 1 2\n", NONE, NONE, "", "", "", true },
		{ "score 5\nscore x\n", NONE, NONE, "", "", "", true },
		{ "Score 1\n", NONE, NONE, "", "", "", true },
		{ "scores 1\n", NONE, NONE, "", "", "", true },
		{ " score 1\n", NONE, NONE, "", "", "", true },
		{ "threshold -\n", NONE, NONE, "", "", "", true },
		{ "test\n", NONE, NONE, "", "", "", true },
		{ "test A,B\n", NONE, NONE, "", "", "", true },
		{ "test A=1\n", NONE, NONE, "", "", "", true },
		{ "test A x\n", NONE, NONE, "", "", "", true },
		{ "test A\xff\n", NONE, NONE, "", "", "", true },
		{ "Traceback (most recent call last):\nscore 1\n", 1000, NONE, "",
		    "", "", true },
		{ "header X-A\n", NONE, NONE, "", "", "", true },
		{ "header : b\n", NONE, NONE, "", "", "", true },
		{ "header X A: b\n", NONE, NONE, "", "", "", true },
		{ "header X-A: b\tc\n", NONE, NONE, "", "", "", true },
		{ "header X-A: b\rX-B: c\n", NONE, NONE, "", "", "", true },
		{ "header X-\xc3\xa4: b\n", NONE, NONE, "", "", "", true },
		/* ours */
		{ "header X-Ampel-Verdict: green\n", NONE, NONE, "", "", "", true },
		{ "header x-spam-flag: NO\n", NONE, NONE, "", "", "", true },
		{ "header X-Spam-Status: No\n", NONE, NONE, "", "", "", true },
		{ "header X-Spam-Level: ***\n", NONE, NONE, "", "",
		    "X-Spam-Level: ***\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct filter_lines f;

		filter_lines_init(&f);
		filter_lines_read(&f, bytes_of(rows[i].text));
		assert_int_equal(f.has_score, rows[i].score != NONE);
		if (f.has_score)
			assert_int_equal(f.score_milli, rows[i].score);
		assert_int_equal(f.has_threshold, rows[i].threshold != NONE);
		if (f.has_threshold)
			assert_int_equal(f.threshold_milli, rows[i].threshold);
		assert_string_equal(buf_string(&f.reason), rows[i].reason);
		assert_string_equal(buf_string(&f.tests), rows[i].tests);
		assert_string_equal(buf_string(&f.marks), rows[i].marks);
		assert_int_equal(f.garbled, rows[i].garbled);
		filter_lines_finish(&f);
	}
}

static void
read_many(struct filter_lines *f, const char *line, size_t times)
{
	filter_lines_init(f);
	while (times-- > 0)
		filter_lines_read(f, bytes_of(line));
}

static void
limits(void **state)
{
	static char         long_line[1100];
	struct filter_lines f;

	(void)state;
	/* tests beyond the limit are left out */
	read_many(&f, "test SOME_NAME 1.0\n", 10000);
	assert_false(f.garbled);
	assert_false(f.tests.failed);
	assert_true(f.tests.len > 3000 && f.tests.len < 4096);
	assert_memory_equal(
	    f.tests.p + f.tests.len - 14, ",SOME_NAME=1.0", 14);
	filter_lines_finish(&f);

	/* header lines are not: one would be missing */
	read_many(&f, "header X-Some: value\n", 10000);
	assert_true(f.garbled);
	assert_true(f.marks.len <= FILTER_MARKS_MAX);
	assert_int_equal(f.marks.p[f.marks.len - 1], '\n');
	filter_lines_finish(&f);

	memset(long_line, 'v', sizeof long_line - 1);
	memcpy(long_line, "header X: ", 10);
	read_many(&f, long_line, 1);
	assert_true(f.garbled);
	assert_int_equal(f.marks.len, 0);
	filter_lines_finish(&f);

	memcpy(long_line, "reason aaa", 10);
	read_many(&f, long_line, 1);
	assert_false(f.garbled);
	assert_int_equal(f.reason.len, 200);
	filter_lines_finish(&f);

	memcpy(long_line, "test  aaaa", 10);
	read_many(&f, long_line, 1);
	assert_true(f.garbled);
	filter_lines_finish(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
