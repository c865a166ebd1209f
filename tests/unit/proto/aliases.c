#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "proto/aliases.h"

/* "line name: a|b;" of every alias, then "!line text;" of every mistake. */
static void
describe(struct buf *b, const struct alias *alias, const struct mistakes *m)
{
	for (; alias != NULL; alias = alias->next) {
		buf_addf(b, "%u %.*s:", alias->line, BYTES_ARG(alias->name));
		for (size_t i = 0; i < alias->n_targets; i++)
			buf_addf(b, "%s%.*s", i ? "&" : " ",
			    BYTES_ARG(alias->targets[i]));
		buf_add_char(b, ';');
	}
	for (size_t i = 0; i < m->n; i++)
		buf_addf(b, "!%u %.*s;", m->list[i].line,
		    BYTES_ARG(m->list[i].text));
}

struct row {
	const char *text;
	const char *expected;
};

static const struct row files[] = {
	{ "", "" },
	{ "# nothing\n\n   \n\t# here\n", "" },
	{ "a: b", "1 a: b;" },
	{ "a: b, c\nd:e\n", "1 a: b&c;2 d: e;" },
	{ "a : b ,c,\n", "1 a: b&c;" },
	{ "a: b\r\nc: d\r\n", "1 a: b;2 c: d;" },
	/* continuation: by comma, by line, with comments and empty lines between */
	{ "a: b,\n  c,\n\td\ne: f\n", "1 a: b&c&d;4 e: f;" },
	{ "a:\n b\n c\n", "1 a: b&c;" },
	{ "a: b,\n# why\n\n  # and\n c\n", "1 a: b&c;" },
	/* comments behind words, but not inside them */
	{ "a: b # c, d\n", "1 a: b;" },
	{ "a: b#c,#d\n", "1 a: b#c;" },
	/* quotes */
	{ "a: \"|prog -x, y\", \"/file name\"\n", "1 a: |prog -x, y&/file name;" },
	{ "\"a\": \"b\"\n", "1 a: b;" },
	{ "a: \"|p \\\"q\\\" \\\\\"\n", "1 a: |p \"q\" \\;" },
	{ "a: \"b: c\"@d, e\n", "1 a: \"b: c\"@d&e;" },
	{ "\"a:b\"@c: d\n", "1 \"a:b\"@c: d;" },
	{ "a: \\a, b@c\n", "1 a: \\a&b@c;" },
	/* every kind of name and target stands as it is */
	{ "a@x.org: b\n@y.org: c\n", "1 a@x.org: b;2 @y.org: c;" },
	{ "a: :include:/etc/list, |x, /y\n",
	    "1 a: :include:/etc/list&|x&/y;" },
	{ "Owner-A: b\n", "1 Owner-A: b;" },
	/* mistakes, all of them */
	{ "a b\nc: d\n e\nf\n",
	    "2 c: d&e;!1 expected \"name: target, target\";"
	    "!4 expected \"name: target, target\";" },
	{ ": b\n", "!1 expected \"name: target, target\";" },
	{ "a # b: c\n", "!1 expected \"name: target, target\";" },
	/* a broken alias takes its continuation lines with it */
	{ "x: y\na\n b\n", "1 x: y;!2 expected \"name: target, target\";" },
	{ "  b\n  c\na: d\n",
	    "3 a: d;!1 a continuation line without an alias before it;" },
	{ "a:\nb: ,,\n",
	    "1 a:;2 b:;!1 the alias has no target;!2 the alias has no target;" },
	{ "a: \"b\nc: d\n", "2 c: d;!1 a quote is not closed on its line;" },
	{ "a: \"b\\\"\n", "!1 a quote is not closed on its line;" },
	{ "a: \"\\\n", "!1 a quote is not closed on its line;" },
	{ "a: b\xc3\xa4\n", "!1 a byte is not printable ASCII;" },
	{ "a: b\rc\n", "!1 a byte is not printable ASCII;" },
	{ "# \xc3\xa4\na: b # \xc3\xa4\n", "2 a: b;" },
};

static void
test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		struct mistakes mistakes = { .n = 0 };
		struct arena    arena;
		struct buf      b;

		arena_init(&arena, 64 * 1024);
		buf_init(&b, 64 * 1024);
		describe(&b,
		    aliases_parse(bytes_of(files[i].text), &arena, &mistakes),
		    &mistakes);
		assert_string_equal(buf_string(&b), files[i].expected);
		buf_finish(&b);
		arena_finish(&arena);
	}
}

static const struct row lists[] = {
	{ "", "" },
	{ "a@b\nc@d, e@f\n", "a@b;c@d;e@f;" },
	{ "  a@b  \n\n# c\n\td@e # f\n", "a@b;d@e;" },
	{ "\"a b\"@c\n", "\"a b\"@c;" },
	{ "a\n\"b\nc\n", "a;c;!2" },
};

static void
test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		struct mistakes mistakes = { .n = 0 };
		struct arena    arena;
		struct bytes   *targets;
		struct buf      b;
		size_t          n;
		bool            well;

		arena_init(&arena, 64 * 1024);
		buf_init(&b, 64 * 1024);
		well = aliases_parse_list(bytes_of(lists[i].text), &arena,
		    &mistakes, &targets, &n);
		for (size_t k = 0; k < n; k++)
			buf_addf(&b, "%.*s;", BYTES_ARG(targets[k]));
		assert_int_equal(well, mistakes.n == 0);
		if (!well)
			buf_addf(&b, "!%u", mistakes.list[0].line);
		assert_string_equal(buf_string(&b), lists[i].expected);
		buf_finish(&b);
		arena_finish(&arena);
	}
}

static void
test_include(void **state)
{
	struct bytes path;

	(void)state;
	assert_true(alias_is_include(BYTES(":include:/a b"), &path));
	assert_true(bytes_equal(path, BYTES("/a b")));
	assert_true(alias_is_include(BYTES(":INCLUDE: /x"), &path));
	assert_true(bytes_equal(path, BYTES("/x")));
	assert_false(alias_is_include(BYTES(":includ:/x"), &path));
	assert_false(alias_is_include(BYTES("include:/x"), &path));
	assert_false(alias_is_include(BYTES(":include"), &path));
}

/* Without memory there is a mistake, never a shorter list of targets. */
static void
test_no_memory(void **state)
{
	(void)state;
	for (size_t max = 0; max < 2048; max += 16) {
		struct mistakes     mistakes = { .n = 0 };
		struct arena        arena;
		const struct alias *alias;

		arena_init(&arena, max);
		alias = aliases_parse(
		    BYTES("a: \"b\", c, d, e, f, g, h, i, j, k"), &arena,
		    &mistakes);
		if (alias == NULL || alias->n_targets != 10)
			assert_true(mistakes_any(&mistakes));
		arena_finish(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
