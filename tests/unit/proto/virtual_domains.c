#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "proto/virtual_domains.h"

/* The LOCAL that an address gets, "-" where it is not ours. */
static void
expect_local(const struct directory *d, const char *text, const char *expected)
{
	struct address address;
	struct route   route;
	struct arena   arena;

	arena_init(&arena, 4096);
	assert_true(address_parse(bytes_of(text), &address));
	directory_route(d, &arena, &address, &route);
	if (route.kind == ROUTE_NOT_OURS)
		route.local = BYTES("-");
	if (!bytes_equal(route.local, bytes_of(expected)))
		fail_msg("%s: %.*s", text, BYTES_ARG(route.local));
	arena_finish(&arena);
}

static void
test_lines(void **state)
{
	static const char text[] =
	    "# comment\n"
	    "\n"
	    "one.example:ann\n"
	    "One.Example:joe \t\n"
	    "a@two.example:joe-a\n"
	    ".two.example:with:colon\n"
	    "no.one.example:\n"
	    ":rest";
	static const char *const rows[][2] = {
		{ "x@one.example", "joe-x" },
		{ "a@two.example", "joe-a-a" },
		{ "b@two.example", "rest-b" },
		{ "b@c.two.example", "with:colon-b" },
		{ "x@no.one.example", "-" },
		{ "x@[127.0.0.1]", "rest-x" },
	};
	struct directory *d = directory_new();
	struct mistakes   mistakes = { .n = 0 };
	struct arena      arena;

	(void)state;
	arena_init(&arena, 4096);
	assert_true(directory_set_qmail(d, BYTES("alias")));
	virtual_domains_read(d, bytes_of(text), &arena, &mistakes);
	assert_false(mistakes_any(&mistakes));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect_local(d, rows[i][0], rows[i][1]);
	arena_finish(&arena);
	directory_free(d);
}

#define NO_KEY "is neither user@domain, domain, .suffix nor empty"
#define NO_PREPEND "cannot stand in front of a local part"

static void
test_mistakes(void **state)
{
	static const struct {
		const char *line, *mistake;
	} rows[] = {
		{ "one.example", "expected key:prepend" },
		{ "a..b:joe", "\"a..b\" " NO_KEY },
		{ "one.example.:joe", "\"one.example.\" " NO_KEY },
		{ ".:joe", "\".\" " NO_KEY },
		{ "..a:joe", "\"..a\" " NO_KEY },
		{ " one.example:joe", "\" one.example\" " NO_KEY },
		{ "@one.example:joe", "\"@one.example\" " NO_KEY },
		{ "a@:joe", "\"a@\" " NO_KEY },
		{ "a\001@one.example:joe", "\"a\001@one.example\" " NO_KEY },
		{ "*:joe", "\"*\" " NO_KEY },
		{ "one.example:a/b", "\"a/b\" " NO_PREPEND },
		{ "one.example:a b", "\"a b\" " NO_PREPEND },
		{ "one.example:a\177", "\"a\177\" " NO_PREPEND },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct directory *d = directory_new();
		struct mistakes   mistakes = { .n = 0 };
		struct arena      arena;

		arena_init(&arena, 4096);
		virtual_domains_read(d, bytes_of(rows[i].line), &arena, &mistakes);
		assert_int_equal(mistakes.n, 1);
		assert_int_equal(mistakes.list[0].line, 1);
		assert_string_equal(mistakes.list[0].text.p, rows[i].mistake);
		expect_local(d, "x@one.example", "-");
		arena_finish(&arena);
		directory_free(d);
	}
}

/* What is put in front leaves room for every local part. */
static void
test_longest(void **state)
{
	char text[DIRECTORY_USER_MAX + 20] = "one.example:";
	const size_t at = strlen(text), fits = DIRECTORY_USER_MAX - 67;

	(void)state;
	for (size_t n = fits; n <= fits + 1; n++) {
		struct directory *d = directory_new();
		struct mistakes   mistakes = { .n = 0 };
		struct arena      arena;

		arena_init(&arena, 4096);
		memset(text + at, 'p', n);
		virtual_domains_read(
		    d, bytes_first(bytes_of(text), at + n), &arena, &mistakes);
		assert_int_equal(mistakes.n, n > fits);
		arena_finish(&arena);
		directory_free(d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
