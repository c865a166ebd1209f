#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/table.h"

enum { KEYS = 10000 };

static void
test_empty(void **state)
{
	struct table t = { 0 };

	(void)state;
	assert_null(table_find(&t, BYTES("a")));
	table_finish(&t);
}

static void
test_value_stays(void **state)
{
	char         first[] = "first", second[] = "second";
	struct table t = { 0 };

	(void)state;
	assert_int_equal(table_add(&t, BYTES("a"), first), TABLE_ADDED);
	assert_int_equal(table_add(&t, BYTES("a"), second), TABLE_EXISTS);
	assert_int_equal(table_add(&t, BYTES(""), second), TABLE_ADDED);
	assert_ptr_equal(table_find(&t, BYTES("a")), first);
	assert_ptr_equal(table_find(&t, BYTES("")), second);
	assert_null(table_find(&t, BYTES("A")));
	assert_null(table_find(&t, BYTES("ab")));
	table_finish(&t);
	assert_null(table_find(&t, BYTES("a")));
}

/* Through every growth each key keeps its own value, and no other appears. */
static void
test_many(void **state)
{
	static char  names[KEYS][8];
	struct table t = { 0 };

	(void)state;
	for (int i = 0; i < KEYS; i++) {
		snprintf(names[i], sizeof names[i], "k%d", i);
		assert_int_equal(table_add(&t, bytes_of(names[i]), names[i]),
		    TABLE_ADDED);
	}
	assert_int_equal(t.n, KEYS);
	for (int i = 0; i < KEYS; i++)
		assert_ptr_equal(
		    table_find(&t, bytes_of(names[i])), names[i]);
	assert_null(table_find(&t, BYTES("k10000")));
	table_finish(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_value_stays),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
