#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "assigned.h"
#include "base/buf.h"
#include "mail/directory.h"

static const struct assigned_row rows[] = {
	{ "=joe", "joe", "", "" },
	{ "=joe-x", "x", "-", "fixed" },
	{ "+joe-", "joe", "-", "" },
	{ "+joe-list-", "lists", "-", "l-" },
	{ "+joe-listed", "listed", "", "" },
	{ "+an", "ann", "-", "an" },
	{ "=", "nobody", "", "" },
};
static const struct assigned_row rest[] = {
	{ "=joe", "joe", "", "" },
	{ "+", "alias", "-", "" },
};

struct route_row {
	const char *local;
	const char *expected; /* "key user dash ext", or "" for none */
};

static void
expect(const struct assigned_row *of, size_t n, const struct route_row *row)
{
	struct assigned   assigned, *self;
	struct assignment a;
	struct bytes      key, extension;
	struct arena      arena;
	struct buf        b;

	assigned_init(&assigned, &self, of, n);
	arena_init(&arena, 4096);
	buf_init(&b, 1000);
	if (assignments_route(&assigned.assignments, &arena,
	        bytes_of(row->local), &a, &key, &extension))
		buf_addf(&b, "%.*s %.*s %.*s %.*s", BYTES_ARG(key),
		    BYTES_ARG(a.user), BYTES_ARG(a.dash),
		    BYTES_ARG(extension));
	if (strcmp(buf_string(&b), row->expected) != 0)
		print_error("%s\n", row->local);
	assert_string_equal(buf_string(&b), row->expected);
	buf_finish(&b);
	arena_finish(&arena);
}

static void
test_routes(void **state)
{
	static const struct route_row routes[] = {
		/* the exact one before every prefix */
		{ "joe", "=joe joe  " },
		{ "JOE", "=joe joe  " },
		{ "joe-x", "=joe-x x - fixed" },
		/* the longest prefix, the rest in its own case */
		{ "joe-y", "+joe- joe - y" },
		{ "Joe-Y.Z", "+joe- joe - Y.Z" },
		{ "joe-x-y", "+joe- joe - x-y" },
		{ "joe-list", "+joe- joe - list" },
		{ "joe-list-", "+joe-list- lists - l-" },
		{ "joe-list-A", "+joe-list- lists - l-A" },
		{ "joe-listed", "+joe-listed listed  " },
		{ "joe-listedX", "+joe-listed listed  X" },
		{ "joe-", "+joe- joe - " },
		{ "an", "+an ann - an" },
		{ "ANn", "+an ann - ann" },
		{ "annE", "+an ann - annE" },
		{ "", "= nobody  " },
		/* no prefix of theirs */
		{ "a", "" },
		{ "jo", "" },
		{ "bob", "" },
		{ "xjoe-y", "" },
	};
	static const struct route_row all[] = {
		{ "joe", "=joe joe  " },
		{ "joe-X", "+ alias - joe-X" },
		{ "", "+ alias - " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
		expect(rows, sizeof rows / sizeof rows[0], &routes[i]);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		expect(rest, sizeof rest / sizeof rest[0], &all[i]);
}

/* A key as long as one may be is found, one that is longer is none. */
static void
test_lengths(void **state)
{
	char                local[DIRECTORY_USER_MAX + 1];
	char                key[DIRECTORY_USER_MAX + 1];
	struct assigned_row longest[] = { { key, "joe", "", "" } };
	struct assigned     assigned, *self;
	struct assignment   a;
	struct bytes        found, extension;
	struct arena        arena;

	(void)state;
	memset(key, 'a', sizeof key);
	key[0] = '=';
	key[DIRECTORY_USER_MAX] = '\0';
	memset(local, 'a', sizeof local);
	assigned_init(&assigned, &self, longest, 1);
	arena_init(&arena, 4096);
	assert_true(assignments_route(&assigned.assignments, &arena,
	    (struct bytes){ local, DIRECTORY_USER_MAX - 1 }, &a, &found,
	    &extension));
	assert_int_equal(found.n, DIRECTORY_USER_MAX);
	assigned_init(&assigned, &self, rest, 2);
	assert_false(assignments_route(&assigned.assignments, &arena,
	    (struct bytes){ local, DIRECTORY_USER_MAX }, &a, &found,
	    &extension));
	arena_finish(&arena);
}

/* Strangers choose local parts: only where a prefix may end is looked. */
static void
test_cost(void **state)
{
	struct assigned   assigned, *self;
	struct assignment a;
	struct bytes      key, extension;
	struct arena      arena;

	(void)state;
	assigned_init(&assigned, &self, rows, sizeof rows / sizeof rows[0]);
	arena_init(&arena, 4096);
	assert_false(assignments_route(&assigned.assignments, &arena,
	    BYTES("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxx"), &a, &key,
	    &extension));
	/* all of it, and up to its dash */
	assert_int_equal(assigned.asked, 2);
	arena_finish(&arena);
}

/* Without memory it is said so, instead of naming somebody else. */
static void
test_no_memory(void **state)
{
	struct assigned   assigned, *self;
	struct assignment a;
	struct bytes      key, extension;
	struct arena      none = { .max = 0 };

	(void)state;
	assigned_init(&assigned, &self, rest, 2);
	assert_true(assignments_route(&assigned.assignments, &none,
	    BYTES("joe-x"), &a, &key, &extension));
	assert_null(key.p);
	assert_null(extension.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
