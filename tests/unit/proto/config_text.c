#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/config_text.h"

enum { MEMORY = 1024 * 1024 };

/* A tree as text: "name@line=value" ; strings in quotes, lists in braces. */
static void
add_settings(struct buf *b, const struct config_setting *s)
{
	for (; s; s = s->next) {
		buf_addf(b, "%.*s@%u=%s", BYTES_ARG(s->name), s->line,
		    s->is_list ? "{" : "");
		for (const struct config_value *v = s->values; v; v = v->next)
			buf_addf(b, v->is_string ? "\"%.*s\"@%u%s" : "%.*s@%u%s",
			    BYTES_ARG(v->text), v->line, v->next ? "," : "");
		buf_add_string(b, s->is_list ? "};" : ";");
	}
}

static void
add_tree(struct buf *b, const struct config_tree *tree)
{
	add_settings(b, tree->settings);
	for (const struct config_block *k = tree->blocks; k; k = k->next) {
		buf_addf(b, "%.*s %.*s@%u[", BYTES_ARG(k->kind),
		    BYTES_ARG(k->name), k->line);
		add_settings(b, k->settings);
		buf_add_string(b, "]");
	}
}

struct good {
	const char *text;
	const char *tree;
};

static const struct good good[] = {
	{ "", "" },
	{ "\n\n", "" },
	{ "# only a comment", "" },
	{ "a = b", "a@1=b@1;" },
	{ "a=b", "a@1=b@1;" },
	{ "\ta\t=\tb\t# c = d\n", "a@1=b@1;" },
	{ "a = \"b # c, = { } d\"", "a@1=\"b # c, = { } d\"@1;" },
	{ "a = \"\"", "a@1=\"\"@1;" },
	{ "a = \"back\\slash ${HOME}\"", "a@1=\"back\\slash ${HOME}\"@1;" },
	{ "a = \"gr\xc3\xbc\xc3\x9f\" # \xc3\xbc", "a@1=\"gr\xc3\xbc\xc3\x9f\"@1;" },
	{ "a = /x/y:1.5-z", "a@1=/x/y:1.5-z@1;" },
	{ "a = {}", "a@1={};" },
	{ "a = { }\nb = 1", "a@1={};b@2=1@2;" },
	{ "a = { x, \"y\" }", "a@1={x@1,\"y\"@1};" },
	{ "a = { x, y, }", "a@1={x@1,y@1};" },
	{ "a = {\n x,\n# no\n y\n}\nb = 2", "a@1={x@2,y@4};b@6=2@6;" },
	{ "a = b\r\nc = d\r\n", "a@1=b@1;c@2=d@2;" },
	{ "k { a = 1 }", "k @1[a@1=1@1;]" },
	{ "k { a = 1 b = 2 }", "k @1[a@1=1@1;b@1=2@1;]" },
	{ "k n {\na = { 1 }\n}\nc = 3", "c@4=3@4;k n@1[a@2={1@2};]" },
	{ "k n\n{\n}", "k n@1[]" },
	{ "k \"*\" { }", "k *@1[]" },
	{ "k a { x = 1 } k b { x = 1 }", "k a@1[x@1=1@1;]k b@1[x@1=1@1;]" },
	{ "x = 1 k { x = 1 }", "x@1=1@1;k @1[x@1=1@1;]" },
};

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct mistakes    mistakes = { 0 };
		struct config_tree tree;
		struct arena       arena;
		struct buf         b;

		arena_init(&arena, MEMORY);
		buf_init(&b, MEMORY);
		assert_true(config_text_parse(
		    bytes_of(good[i].text), &arena, &tree, &mistakes));
		assert_false(mistakes_any(&mistakes));
		add_tree(&b, &tree);
		assert_string_equal(buf_string(&b), good[i].tree);
		buf_finish(&b);
		arena_finish(&arena);
	}
}

struct bad {
	struct bytes text;
	const char  *printed;
};

#define BAD(text, printed) { BYTES_INIT(text), printed }

/* Every mistake, each with its line; what follows a mistake is still read. */
static const struct bad bad[] = {
	BAD("a = b\na = c\n", "f:2: \"a\" is set twice; first at line 1\n"),
	BAD("k n { }\n\nk n { a = }\n",
	    "f:3: block \"k n\" is there twice; first at line 1\n"
	    "f:3: \"a\" has no value behind its \"=\"\n"),
	BAD("k { }\nk { }", "f:2: block \"k\" is there twice; first at line 1\n"),
	BAD("k {\na = 1\na = 2\n}",
	    "f:3: \"a\" is set twice; first at line 2\n"),
	BAD("a\nb = 1\nc", "f:1: expected \"=\" or \"{\" behind \"a\"\n"
	                   "f:3: expected \"=\" or \"{\" behind \"c\"\n"),
	BAD("a =\nb = \nc = 1 2\n",
	    "f:1: \"a\" has no value behind its \"=\"\n"
	    "f:2: \"b\" has no value behind its \"=\"\n"
	    "f:3: expected the name of a setting or of a block, not \"2\"\n"),
	BAD("a \"b\"\nc = 1 = 2\nd",
	    "f:1: expected \"=\" behind \"a\", or a block: a NAME { ... }\n"
	    "f:2: expected the name of a setting or of a block, not \"=\"\n"
	    "f:3: expected \"=\" or \"{\" behind \"d\"\n"),
	BAD("9a = 1\n", "f:1: expected the name of a setting or of a block, "
	                "not \"9a\"\n"),
	BAD("a = \"b\nc = \"d\n",
	    "f:1: the string has no closing quote on its line\n"
	    "f:2: the string has no closing quote on its line\n"),
	BAD("a = { \"b\n, c }\nd = 1 }",
	    "f:1: the string has no closing quote on its line\n"
	    "f:3: this \"}\" closes nothing\n"),
	BAD("a = { b c }\nd",
	    "f:1: expected \",\" or \"}\", not \"c\"\n"
	    "f:2: expected \"=\" or \"{\" behind \"d\"\n"),
	BAD("a = { , b,, c }", "f:1: expected a value, not \",\"\n"
	                       "f:1: expected a value, not \",\"\n"),
	BAD("a = { b, { c }, d }\ne", "f:1: a list cannot hold a list\n"
	    "f:2: expected \"=\" or \"{\" behind \"e\"\n"),
	BAD("a = { b\nc = 1\nd",
	    "f:1: the list that begins here has no closing \"}\"\n"
	    "f:3: expected \"=\" or \"{\" behind \"d\"\n"),
	BAD("a = {\nb,\nc,",
	    "f:1: the list that begins here has no closing \"}\"\n"),
	BAD("a = { {{{{", "f:1: a list cannot hold a list\n"
	    "f:1: a list cannot hold a list\n"
	    "f:1: a list cannot hold a list\n"
	    "f:1: a list cannot hold a list\n"
	    "f:1: the list that begins here has no closing \"}\"\n"),
	BAD("k n {\na = 1\nk m {\nb = 1\n}\nc",
	    "f:1: the block that begins here has no closing \"}\"\n"
	    "f:6: expected \"=\" or \"{\" behind \"c\"\n"),
	BAD("k {\n", "f:1: the block that begins here has no closing \"}\"\n"),
	BAD("k {\na\nb 1\n= 2\n}\nc",
	    "f:2: expected \"=\" behind \"a\"\n"
	    "f:3: expected \"=\" behind \"b\"\n"
	    "f:4: expected the name of a setting or \"}\", not \"=\"\n"
	    "f:6: expected \"=\" or \"{\" behind \"c\"\n"),
	BAD("k 1x {\na\n}",
	    "f:1: expected a name or a string, not \"1x\"\n"
	    "f:2: expected \"=\" behind \"a\"\n"),
	BAD("{ { a }\n= {\n} }\nb",
	    "f:1: expected the name of a setting or of a block, not \"{\"\n"
	    "f:4: expected \"=\" or \"{\" behind \"b\"\n"),
	BAD("= { a,\n b }\nc",
	    "f:1: expected the name of a setting or of a block, not \"=\"\n"
	    "f:3: expected \"=\" or \"{\" behind \"c\"\n"),
	BAD("}\n}", "f:1: this \"}\" closes nothing\n"
	            "f:2: this \"}\" closes nothing\n"),
	BAD("a = \"x\0y\"\nb = \"\x1b[m\" # \x07\n# \x7f\nc = 1\r2\n",
	    "f:1: control byte 0x00\nf:2: control byte 0x1b\n"
	    "f:3: control byte 0x7f\nf:4: control byte 0x0d\n"
	    "f:4: expected the name of a setting or of a block, not \"2\"\n"),
	BAD("a = 1\r", "f:1: control byte 0x0d\n"),
	BAD("\xef\xbb\xbf""a = 1\n\xc3",
	    "f:1: byte 0xef may stand only in strings and comments\n"
	    "f:2: byte 0xc3 may stand only in strings and comments\n"),
	BAD("a = \xc3\n", "f:1: \"a\" has no value behind its \"=\"\n"),
};

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct mistakes    mistakes = { 0 };
		struct config_tree tree;
		struct arena       arena;
		struct buf         b;

		arena_init(&arena, MEMORY);
		buf_init(&b, MEMORY);
		assert_false(config_text_parse(
		    bad[i].text, &arena, &tree, &mistakes));
		mistakes_print(&mistakes, "f", &b);
		assert_string_equal(buf_string(&b), bad[i].printed);
		buf_finish(&b);
		arena_finish(&arena);
	}
}

/* What stood before and behind a mistake is in the tree, the first of two wins. */
static void
test_tree_after_mistakes(void **state)
{
	struct mistakes    mistakes = { 0 };
	struct config_tree tree;
	struct arena       arena;
	struct buf         b;

	(void)state;
	arena_init(&arena, MEMORY);
	buf_init(&b, MEMORY);
	assert_false(config_text_parse(
	    BYTES("a = 1\nb !\nc = { x y }\na = 2\nk { d = 1\nk l { e = 2 }"),
	    &arena, &tree, &mistakes));
	add_tree(&b, &tree);
	assert_string_equal(buf_string(&b),
	    "a@1=1@1;c@3={x@3,y@3};k @5[d@5=1@5;]k l@6[e@6=2@6;]");
	buf_finish(&b);
	arena_finish(&arena);
}

static void
test_limits(void **state)
{
	struct mistakes    mistakes = { 0 };
	struct config_tree tree;
	struct arena       arena;
	struct buf         text, b;

	(void)state;
	arena_init(&arena, MEMORY);
	buf_init(&text, MEMORY);
	buf_init(&b, MEMORY);
	for (unsigned i = 0; i < 257; i++)
		buf_addf(&text, "a%u = 1\n", i);
	for (unsigned i = 0; i < 1025; i++)
		buf_addf(&text, "k a%u { }\n", i);
	assert_false(config_text_parse(
	    buf_bytes(&text), &arena, &tree, &mistakes));
	mistakes_print(&mistakes, "f", &b);
	assert_string_equal(buf_string(&b),
	    "f:257: more than 256 settings in one place\n"
	    "f:1282: more than 1024 blocks\n");
	buf_finish(&b);
	buf_finish(&text);
	arena_finish(&arena);
}

static void
test_no_memory(void **state)
{
	struct mistakes    mistakes = { 0 };
	struct config_tree tree;
	struct arena       arena;

	(void)state;
	arena_init(&arena, 300);
	assert_false(config_text_parse(
	    BYTES("a = { 1, 2, 3, 4, 5, 6, 7, 8 }"), &arena, &tree, &mistakes));
	assert_true(mistakes_any(&mistakes));
	arena_finish(&arena);
}

/* The whole file, larger than allowed, is refused before it is read. */
static void
test_too_large(void **state)
{
	struct mistakes    mistakes = { 0 };
	struct config_tree tree;
	struct arena       arena;
	size_t             size = CONFIG_TEXT_MAX + 1;
	char              *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, '\n', size);
	arena_init(&arena, MEMORY);
	assert_true(config_text_parse((struct bytes){ text, size - 1 }, &arena,
	    &tree, &mistakes));
	assert_false(config_text_parse((struct bytes){ text, size }, &arena,
	    &tree, &mistakes));
	assert_int_equal(mistakes.list[0].line, 0);
	arena_finish(&arena);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_tree_after_mistakes),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
