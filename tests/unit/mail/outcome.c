#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/outcome.h"

/* The names stand in logs and in the store: they never change. */
static void
names(void **state)
{
	(void)state;
	assert_string_equal(outcome_name(OUTCOME_DEFERRED), "deferred");
	assert_string_equal(outcome_name(OUTCOME_DELIVERED), "delivered");
	assert_string_equal(outcome_name(OUTCOME_FAILED), "failed");
	assert_string_equal(outcome_name(OUTCOME_EXPANDED), "expanded");
}

static void
nothing_known_means_deferred(void **state)
{
	const struct outcome unknown = { 0 };

	(void)state;
	assert_int_equal(unknown.kind, OUTCOME_DEFERRED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(nothing_known_means_deferred),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
