/* Where our own program lies, and what lies beside it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/place.h"

static void
test_beside(void **state)
{
	char self[PATH_MAX], again[PATH_MAX], real[PATH_MAX];

	(void)state;
	assert_true(place_self(self, sizeof self));
	assert_true(place_beside(strrchr(self, '/') + 1, again, sizeof again));
	assert_string_equal(again, self);
	assert_true(place_beside("../nobody-here", again, sizeof again));
	assert_int_equal(access(again, F_OK), -1);
	assert_true(place_beside(".", again, sizeof again));
	assert_non_null(realpath(again, real));
	assert_memory_equal(self, real, strlen(real));
}

static void
test_no_room(void **state)
{
	char self[PATH_MAX], out[PATH_MAX];
	size_t n;

	(void)state;
	assert_true(place_self(self, sizeof self));
	n = strlen(self);
	assert_false(place_self(out, n));
	assert_true(place_self(out, n + 1));
	assert_false(place_beside(strrchr(self, '/') + 1, out, n));
	assert_true(place_beside(strrchr(self, '/') + 1, out, n + 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beside),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
