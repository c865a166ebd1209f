#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mail/mistakes.h"

/* In the order of lines, those of one line as they came, the file's own first. */
static void
test_order(void **state)
{
	struct mistakes m = { 0 };
	struct arena    arena;
	struct buf      b;

	(void)state;
	arena_init(&arena, 10000);
	buf_init(&b, 10000);
	assert_false(mistakes_any(&m));
	mistakes_add(&m, &arena, 7, "seven %s", "a");
	mistakes_add(&m, &arena, 2, "two");
	mistakes_add(&m, &arena, 7, "seven %d", 2);
	mistakes_add(&m, &arena, 0, "whole");
	assert_true(mistakes_any(&m));
	mistakes_print(&m, "a.conf", &b);
	assert_string_equal(buf_string(&b),
	    "a.conf: whole\na.conf:2: two\na.conf:7: seven a\na.conf:7: seven 2\n");
	buf_finish(&b);
	arena_finish(&arena);
}

/* A text that quotes the file stays one line and cannot drive a terminal. */
static void
test_hostile(void **state)
{
	struct mistakes m = { 0 };
	struct arena    arena;
	struct buf      b;

	(void)state;
	arena_init(&arena, 10000);
	buf_init(&b, 10000);
	mistakes_add(&m, &arena, 1, "no \"%s\"", "\x1b[2J\nb\xff");
	mistakes_print(&m, "f", &b);
	assert_string_equal(buf_string(&b), "f:1: no \"?[2J b?\"\n");
	buf_finish(&b);
	arena_finish(&arena);
}

static void
test_limit(void **state)
{
	struct mistakes m = { 0 };
	struct arena    arena;
	struct buf      b;

	(void)state;
	arena_init(&arena, 100000);
	buf_init(&b, 100000);
	for (unsigned i = 1; i <= MISTAKES_MAX + 3; i++)
		mistakes_add(&m, &arena, i, "x");
	assert_int_equal(m.n, MISTAKES_MAX);
	assert_int_equal(m.dropped, 3);
	mistakes_print(&m, "f", &b);
	buf_drop(&b, b.len - sizeof "f:100: x\nf: 3 more mistakes are not shown" );
	assert_string_equal(
	    buf_string(&b), "f:100: x\nf: 3 more mistakes are not shown\n");
	buf_finish(&b);
	arena_finish(&arena);
}

/* Without memory for its text a mistake still counts. */
static void
test_no_memory(void **state)
{
	struct mistakes m = { 0 };
	struct arena    arena;

	(void)state;
	arena_init(&arena, 0);
	mistakes_add(&m, &arena, 1, "x");
	assert_int_equal(m.n, 0);
	assert_true(mistakes_any(&m));
	arena_finish(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
