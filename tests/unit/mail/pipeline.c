#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mail/pipeline.h"

enum { STAGES = 5, SIZE = 1000 };

static const struct bytes       smtp[] = { BYTES_INIT("smtp") };
static const struct bytes       smtps[] = { BYTES_INIT("smtps") };
static const char *const        filter_names[STAGES] = { "a", "b", "c", "d", "e" };
static struct envelope_recipient somebody = { .address = BYTES_INIT("u@x.example") };

/*
 * A filter in one word: its kind, then how it differs from the defaults.
 *
 *     C command   K check   S spamd (5.0, 7.0)
 *     p on_error = pass     o too large for it, pass     O too large, defer
 *     h shadow              l for another listener
 */
static struct config_filter
filter_of(const char *word, size_t i)
{
	struct config_filter f = {
		.name = bytes_of(filter_names[i]),
		.kind = word[0] == 'C' ? FILTER_COMMAND
		    : word[0] == 'K'   ? FILTER_CHECK
		                       : FILTER_SPAMD,
		.on_error = strchr(word, 'p') ? FILTER_PASS : FILTER_DEFER,
		.max_size = strchr(word, 'o') || strchr(word, 'O') ? SIZE - 1 : SIZE,
		.on_oversize = strchr(word, 'O') ? FILTER_DEFER : FILTER_PASS,
		.shadow = strchr(word, 'h') != NULL,
		.listeners = { strchr(word, 'l') ? smtps : smtp, 1 },
	};

	if (f.kind == FILTER_SPAMD) {
		f.has_scores = true;
		f.yellow_milli = 5000;
		f.red_milli = 7000;
	}
	return f;
}

/* g, y, r, e; or a score. '-' is never reported. */
static void
report(struct pipeline *p, const struct config_filter *f, size_t i, const char *word)
{
	struct stage_result r = { .reason = BYTES_INIT("") };
	double              score;

	if (word[0] == '-')
		return;
	if (sscanf(word, "%lf", &score) == 1) {
		r.has_score = true;
		r.score_milli = (int64_t)(score * 1000);
		r.required_milli = f[i].yellow_milli;
		r.colour =
		    verdict_colour(r.score_milli, f[i].yellow_milli, f[i].red_milli);
	} else {
		r.colour = word[0] == 'g' ? COLOUR_GREEN
		    : word[0] == 'y'      ? COLOUR_YELLOW
		    : word[0] == 'r'      ? COLOUR_RED
		                          : COLOUR_ERROR;
	}
	pipeline_result(p, i, &r);
}

struct row {
	const char *filters[STAGES];
	const char *results[STAGES];
	const char *groups;  /* what ran, "a b+c" */
	enum colour colour;
	const char *stage;   /* which decided */
	const char *summary;
	bool        unscanned;
};

/* Results come in the order of stages, or the other way round. */
static void
run(struct pipeline *p, const struct row *row, const struct config_filter *f,
    bool backwards, char *groups)
{
	size_t first, n;

	*groups = '\0';
	while (pipeline_next(p, &first, &n)) {
		for (size_t i = 0; i < n; i++) {
			if (*groups)
				strcat(groups, i ? "+" : " ");
			strcat(groups, filter_names[first + i]);
		}
		for (size_t i = 0; i < n; i++) {
			size_t stage = first + (backwards ? n - 1 - i : i);

			report(p, f, stage, row->results[stage]);
		}
	}
}

static void
check(const struct row *row, bool backwards)
{
	struct config_filter f[STAGES];
	struct envelope      e = { .listener = BYTES_INIT("smtp"),
		     .recipients = &somebody, .n_recipients = 1 };
	struct arena         arena;
	struct pipeline     *p;
	struct verdict       v;
	size_t               n = 0;
	char                 groups[64];

	while (n < STAGES && row->filters[n]) {
		f[n] = filter_of(row->filters[n], n);
		n++;
	}
	arena_init(&arena, 100 * 1024);
	p = pipeline_new(&arena, f, n, &e, SIZE);
	assert_non_null(p);
	run(p, row, f, backwards, groups);
	pipeline_verdict(p, &v);
	assert_string_equal(groups, row->groups);
	assert_string_equal(colour_name(v.colour), colour_name(row->colour));
	assert_true(bytes_equal(v.stage, bytes_of(row->stage)));
	assert_string_equal(arena_string(&arena, v.summary), row->summary);
	assert_int_equal(pipeline_is_unscanned(p), row->unscanned);
	arena_finish(&arena);
}

static void
combining(void **state)
{
	static const struct row rows[] = {
		/* nobody judged */
		{ { NULL }, { NULL }, "", COLOUR_NONE, "", "", false },
		{ { "Sl", "Cl" }, { "9", "r" }, "", COLOUR_NONE, "", "", false },

		/* nobody decided */
		{ { "K" }, { "g" }, "a", COLOUR_GREEN, "", "a=green", false },
		{ { "S", "K" }, { "2.1", "g" }, "a b", COLOUR_GREEN, "",
		    "a=2.1/5/7 b=green", false },
		{ { "K", "K", "K" }, { "g", "y", "g" }, "a b c", COLOUR_YELLOW, "",
		    "a=green b=yellow c=green", false },
		{ { "Sl", "K" }, { "9", "g" }, "b", COLOUR_GREEN, "", "b=green",
		    false },

		/* the first that is neither green nor yellow, and nothing after it */
		{ { "K", "K" }, { "r", "g" }, "a", COLOUR_RED, "a", "a=red", false },
		{ { "K", "K" }, { "y", "r" }, "a b", COLOUR_RED, "b",
		    "a=yellow b=red", false },
		{ { "K", "K" }, { "e", "r" }, "a", COLOUR_ERROR, "a", "a=error",
		    false },
		{ { "S", "K" }, { "7", "g" }, "a", COLOUR_RED, "a", "a=7/5/7",
		    false },
		{ { "S", "K" }, { "6.999", "g" }, "a b", COLOUR_YELLOW, "",
		    "a=6.999/5/7 b=green", false },

		/* neighbouring commands run at once, their order decides */
		{ { "C", "C", "K", "C" }, { "g", "g", "g", "g" }, "a+b c d",
		    COLOUR_GREEN, "", "a=green b=green c=green d=green", false },
		{ { "C", "C" }, { "r", "e" }, "a+b", COLOUR_RED, "a",
		    "a=red b=error", false },
		{ { "C", "C" }, { "e", "r" }, "a+b", COLOUR_ERROR, "a",
		    "a=error b=red", false },
		{ { "C", "C", "C" }, { "g", "r", "e" }, "a+b+c", COLOUR_RED, "b",
		    "a=green b=red c=error", false },
		{ { "C", "C", "K" }, { "g", "r", "g" }, "a+b", COLOUR_RED, "b",
		    "a=green b=red", false },
		{ { "K", "C", "C", "S" }, { "g", "g", "y", "1" }, "a b+c d",
		    COLOUR_YELLOW, "", "a=green b=green c=yellow d=1/5/7", false },
		/* what cannot be joined */
		{ { "C", "Cl", "C" }, { "g", "g", "g" }, "a c", COLOUR_GREEN, "",
		    "a=green c=green", false },
		{ { "C", "Co", "C" }, { "g", "g", "g" }, "a c", COLOUR_GREEN, "",
		    "a=green b=unscanned c=green", true },
		{ { "C", "Ch", "C" }, { "g", "r", "g" }, "a b c", COLOUR_GREEN, "",
		    "a=green shadow:b=red c=green", false },
		{ { "Cp", "C", "C", "Cp" }, { "e", "g", "g", "g" }, "a b+c d",
		    COLOUR_GREEN, "", "a=unscanned b=green c=green d=green", true },
		{ { "K", "K" }, { "g", "g" }, "a b", COLOUR_GREEN, "",
		    "a=green b=green", false },

		/* a shadow never decides */
		{ { "Kh", "K" }, { "r", "g" }, "a b", COLOUR_GREEN, "",
		    "shadow:a=red b=green", false },
		{ { "Kh", "K" }, { "e", "g" }, "a b", COLOUR_GREEN, "",
		    "shadow:a=error b=green", false },
		{ { "Kh" }, { "y" }, "a", COLOUR_GREEN, "", "shadow:a=yellow",
		    false },
		{ { "Sh" }, { "9.5" }, "a", COLOUR_GREEN, "", "shadow:a=9.5/5/7",
		    false },
		{ { "Kh", "K" }, { "g", "r" }, "a b", COLOUR_RED, "b",
		    "shadow:a=green b=red", false },
		{ { "Khp", "K" }, { "e", "g" }, "a b", COLOUR_GREEN, "",
		    "shadow:a=unscanned b=green", false },

		/* errors and sizes that may pass are visible */
		{ { "Kp", "K" }, { "e", "g" }, "a b", COLOUR_GREEN, "",
		    "a=unscanned b=green", true },
		{ { "Kp", "K" }, { "e", "y" }, "a b", COLOUR_YELLOW, "",
		    "a=unscanned b=yellow", true },
		{ { "Kp" }, { "r" }, "a", COLOUR_RED, "a", "a=red", false },
		{ { "So", "K" }, { "9", "g" }, "b", COLOUR_GREEN, "",
		    "a=unscanned b=green", true },
		{ { "K", "So" }, { "g", "9" }, "a", COLOUR_GREEN, "",
		    "a=green b=unscanned", true },
		{ { "SO", "K" }, { "1", "g" }, "", COLOUR_ERROR, "a",
		    "a=unscanned", true },
		{ { "Kh", "SOh", "K" }, { "g", "1", "g" }, "a c", COLOUR_GREEN, "",
		    "shadow:a=green shadow:b=unscanned c=green", false },

		/* a stage that never answers is no consent */
		{ { "K", "K" }, { "g", "-" }, "a b", COLOUR_ERROR, "", "a=green",
		    false },
		{ { "C", "C" }, { "-", "g" }, "a+b", COLOUR_ERROR, "", "b=green",
		    false },
		{ { "C", "C" }, { "r", "-" }, "a+b", COLOUR_RED, "a", "a=red",
		    false },
		{ { "Kp" }, { "-" }, "a", COLOUR_ERROR, "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		check(&rows[i], false);
		check(&rows[i], true);
	}
}

/* One pipeline for the tests that follow. */
struct fixture {
	struct config_filter f[STAGES];
	struct envelope      e;
	struct arena         arena;
	struct pipeline     *p;
	struct verdict       v;
	size_t               first, n;
};

static void
begin(struct fixture *x, const char *const *words, size_t n)
{
	*x = (struct fixture){ .e = { .listener = BYTES_INIT("smtp"),
		                       .recipients = &somebody, .n_recipients = 1 } };
	arena_init(&x->arena, 100 * 1024);
	for (size_t i = 0; i < n; i++)
		x->f[i] = filter_of(words[i], i);
	x->p = pipeline_new(&x->arena, x->f, n, &x->e, SIZE);
	assert_non_null(x->p);
}

static void
expiry(void **state)
{
	static const char *const words[] = { "K", "Cp", "K" };
	struct fixture           x;

	(void)state;
	/* while the second runs: its on_error = pass does not count */
	begin(&x, words, 3);
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	report(x.p, x.f, 0, "g");
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	pipeline_expire(x.p);
	report(x.p, x.f, 1, "g"); /* too late */
	assert_false(pipeline_next(x.p, &x.first, &x.n));
	pipeline_verdict(x.p, &x.v);
	assert_int_equal(x.v.colour, COLOUR_ERROR);
	assert_true(bytes_equal(x.v.stage, BYTES("b")));
	assert_true(bytes_equal(x.v.summary, BYTES("a=green b=error")));
	arena_finish(&x.arena);

	/* before anything ran */
	begin(&x, words, 3);
	pipeline_expire(x.p);
	assert_false(pipeline_next(x.p, &x.first, &x.n));
	pipeline_verdict(x.p, &x.v);
	assert_int_equal(x.v.colour, COLOUR_ERROR);
	assert_true(bytes_equal(x.v.stage, BYTES("a")));
	arena_finish(&x.arena);

	/* between two stages: the verdict so far does not count */
	begin(&x, words, 3);
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	report(x.p, x.f, 0, "g");
	pipeline_expire(x.p);
	pipeline_verdict(x.p, &x.v);
	assert_int_equal(x.v.colour, COLOUR_ERROR);
	arena_finish(&x.arena);

	/* when all was said: no change */
	begin(&x, words, 1);
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	report(x.p, x.f, 0, "r");
	pipeline_expire(x.p);
	pipeline_verdict(x.p, &x.v);
	assert_int_equal(x.v.colour, COLOUR_RED);
	arena_finish(&x.arena);
}

static void
postmaster(void **state)
{
	static const char *const word = "K";
	static const struct {
		const char *recipients[2];
		const char *result;
		enum colour colour;
	} rows[] = {
		{ { "postmaster@x.example" }, "r", COLOUR_YELLOW },
		{ { "abuse@x.example" }, "r", COLOUR_YELLOW },
		{ { "Postmaster" }, "r", COLOUR_YELLOW },
		{ { "POSTMASTER@x.example", "abuse@y.example" }, "r", COLOUR_YELLOW },
		{ { "postmaster@x.example", "u@x.example" }, "r", COLOUR_RED },
		{ { "u@postmaster" }, "r", COLOUR_RED },
		{ { "postmaster2@x.example" }, "r", COLOUR_RED },
		{ { "postmaster@x.example" }, "e", COLOUR_ERROR },
		{ { "postmaster@x.example" }, "g", COLOUR_GREEN },
		{ { NULL }, "r", COLOUR_RED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct envelope_recipient to[2] = {
			{ .address = bytes_of(rows[i].recipients[0]) },
			{ .address = bytes_of(rows[i].recipients[1]) },
		};
		struct fixture x;

		begin(&x, &word, 1);
		x.e.recipients = to;
		x.e.n_recipients =
		    rows[i].recipients[1] ? 2 : rows[i].recipients[0] ? 1 : 0;
		assert_true(pipeline_next(x.p, &x.first, &x.n));
		report(x.p, x.f, 0, rows[i].result);
		pipeline_verdict(x.p, &x.v);
		assert_int_equal(x.v.colour, rows[i].colour);
		arena_finish(&x.arena);
	}
}

/* Which words the verdict uses. */
static void
speaking(void **state)
{
	static const char *const words[] = { "S", "K", "S" };
	struct fixture           x;
	struct stage_result      r = { .colour = COLOUR_RED,
		     .reason = BYTES_INIT("virus\r\nX-Evil: \xff here "),
		     .tests = BYTES_INIT("A, B\r\n,,C\x80") };

	(void)state;
	/* red with a score only: the limit is named */
	begin(&x, words, 1);
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	report(x.p, x.f, 0, "9.3");
	pipeline_verdict(x.p, &x.v);
	assert_true(bytes_equal(x.v.reason, BYTES("score 9.3, limit 7.0")));
	assert_true(x.v.has_score);
	assert_int_equal(x.v.score_milli, 9300);
	assert_int_equal(x.v.required_milli, 5000);
	assert_int_equal(x.v.red_milli, 7000);
	arena_finish(&x.arena);

	/* red without a word: the filter's name */
	begin(&x, words + 1, 1);
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	report(x.p, x.f, 0, "r");
	pipeline_verdict(x.p, &x.v);
	assert_true(bytes_equal(x.v.reason, BYTES("a")));
	assert_false(x.v.has_score);
	arena_finish(&x.arena);

	/* the program's own reason and tests, on one line */
	begin(&x, words + 1, 1);
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	pipeline_result(x.p, 0, &r);
	pipeline_verdict(x.p, &x.v);
	assert_true(bytes_equal(x.v.reason, BYTES("virus X-Evil: ? here")));
	assert_true(bytes_equal(x.v.tests, BYTES("A,B,C?")));
	arena_finish(&x.arena);

	/* a yellow score speaks before a later green one */
	begin(&x, words, 3);
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	report(x.p, x.f, 0, "6.1");
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	report(x.p, x.f, 1, "y");
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	report(x.p, x.f, 2, "0.5");
	pipeline_verdict(x.p, &x.v);
	assert_int_equal(x.v.colour, COLOUR_YELLOW);
	assert_int_equal(x.v.score_milli, 6100);
	arena_finish(&x.arena);

	/* a green one is not quoted for a yellow that has none */
	begin(&x, words, 2);
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	report(x.p, x.f, 0, "2.1");
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	report(x.p, x.f, 1, "y");
	pipeline_verdict(x.p, &x.v);
	assert_int_equal(x.v.colour, COLOUR_YELLOW);
	assert_false(x.v.has_score);
	arena_finish(&x.arena);
}

/* A program's own score is told beside its colour. */
static void
program_scores(void **state)
{
	static const char *const words[] = { "K", "K" };
	struct stage_result      r = { .colour = COLOUR_GREEN, .has_score = true,
		     .score_milli = 2100 };
	struct fixture           x;

	(void)state;
	begin(&x, words, 2);
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	pipeline_result(x.p, 0, &r);
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	r.required_milli = 4500;
	r.colour = COLOUR_YELLOW;
	pipeline_result(x.p, 1, &r);
	pipeline_verdict(x.p, &x.v);
	assert_true(bytes_equal(
	    x.v.summary, BYTES("a=green:2.1 b=yellow:2.1/4.5")));
	arena_finish(&x.arena);
}

static void
marks(void **state)
{
	static const char *const words[] = { "K", "Kh", "Kp", "K" };
	static const char        expected[] =
	    "X-Ampel-Verdict: green; a=green shadow:b=green c=unscanned d=green\n"
	    "X-One: 0\n"
	    "X-One: 3\n";
	struct fixture           x;
	struct buf               b;
	char                     line[] = "X-One: 0\n";

	(void)state;
	begin(&x, words, 4);
	for (size_t i = 0; i < 4; i++) {
		struct stage_result r = { .colour = COLOUR_GREEN };

		line[7] = (char)('0' + i);
		r.marks = bytes_of(line); /* copied: the next stage overwrites it */
		if (i == 2)
			r.colour = COLOUR_ERROR;
		assert_true(pipeline_next(x.p, &x.first, &x.n));
		pipeline_result(x.p, i, &r);
	}
	pipeline_verdict(x.p, &x.v);
	buf_init(&b, 4096);
	pipeline_add_marks(x.p, &x.v, &b);
	assert_string_equal(buf_string(&b), expected);
	buf_finish(&b);
	arena_finish(&x.arena);
}

/* Without memory a message is deferred. */
static void
no_memory(void **state)
{
	static const char *const word = "K";
	static char              long_marks[8000];
	struct stage_result      r = { .colour = COLOUR_GREEN,
		     .marks = { long_marks, sizeof long_marks } };
	struct fixture           x;

	(void)state;
	begin(&x, &word, 1);
	x.arena.max = x.arena.used + 4000;
	assert_true(pipeline_next(x.p, &x.first, &x.n));
	pipeline_result(x.p, 0, &r);
	pipeline_verdict(x.p, &x.v);
	assert_int_equal(x.v.colour, COLOUR_ERROR);
	arena_finish(&x.arena);

	begin(&x, &word, 1);
	x.arena.max = x.arena.used;
	pipeline_verdict(x.p, &x.v);
	assert_int_equal(x.v.colour, COLOUR_ERROR);
	arena_finish(&x.arena);

	arena_init(&x.arena, 16);
	assert_null(pipeline_new(&x.arena, x.f, 1, &x.e, SIZE));
	assert_null(pipeline_new(
	    &x.arena, x.f, PIPELINE_STAGES_MAX + 1, &x.e, SIZE));
	arena_finish(&x.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(combining),
		cmocka_unit_test(expiry),
		cmocka_unit_test(postmaster),
		cmocka_unit_test(speaking),
		cmocka_unit_test(program_scores),
		cmocka_unit_test(marks),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
