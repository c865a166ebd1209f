#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdalign.h>
#include <string.h>

#include "base/arena.h"

static void
allocations_are_zeroed_aligned_and_apart(void **state)
{
	static const size_t sizes[] = { 1, 7, 16, 100, 900, 1, 5000, 3, 70000, 1 };
	enum { N = sizeof sizes / sizeof sizes[0] };
	struct arena   a;
	unsigned char *p[N];

	(void)state;
	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < N; i++) {
		p[i] = arena_alloc(&a, sizes[i]);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % alignof(max_align_t), 0);
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(p[i][j], 0);
		memset(p[i], (int)i + 1, sizes[i]);
	}
	for (size_t i = 0; i < N; i++)
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(p[i][j], i + 1);
	arena_finish(&a);
}

static void
the_maximum_holds(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 64);
	assert_null(arena_alloc(&a, 65));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_non_null(arena_alloc(&a, 48));
	assert_null(arena_alloc(&a, 17));
	assert_non_null(arena_alloc(&a, 16));
	assert_null(arena_alloc(&a, 1));
	arena_reset(&a);
	assert_non_null(arena_alloc(&a, 64));
	arena_finish(&a);

	arena_init(&a, 0);
	assert_null(arena_alloc(&a, 1));
	arena_finish(&a);
}

static void
the_largest_sizes_fail_whatever_the_maximum(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, SIZE_MAX);
	for (size_t less = 0; less < 32; less++) /* below, malloc decides */
		assert_null(arena_alloc(&a, SIZE_MAX - less));
	arena_finish(&a);
}

static void
copies_end_in_nul_and_are_copies(void **state)
{
	char         text[] = "abc";
	struct arena a;
	struct bytes copy, empty;
	char        *string;

	(void)state;
	arena_init(&a, 1024);
	copy = arena_copy(&a, bytes_of(text));
	string = arena_string(&a, bytes_of(text));
	empty = arena_copy(&a, (struct bytes){ NULL, 0 });
	memset(text, 'x', 3);
	assert_true(bytes_equal(copy, BYTES("abc")));
	assert_int_equal(copy.p[3], '\0');
	assert_string_equal(string, "abc");
	assert_non_null(empty.p);
	assert_int_equal(empty.n, 0);
	arena_finish(&a);
}

static void
a_copy_that_does_not_fit_is_null(void **state)
{
	struct arena a;
	struct bytes copy;

	(void)state;
	arena_init(&a, 16);
	copy = arena_copy(&a, BYTES("16 bytes and NUL"));
	assert_null(copy.p);
	assert_int_equal(copy.n, 0);
	assert_null(arena_string(&a, BYTES("16 bytes and NUL")));
	assert_string_equal(arena_string(&a, BYTES("15 bytes do fit")),
	    "15 bytes do fit");
	arena_finish(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocations_are_zeroed_aligned_and_apart),
		cmocka_unit_test(the_maximum_holds),
		cmocka_unit_test(the_largest_sizes_fail_whatever_the_maximum),
		cmocka_unit_test(copies_end_in_nul_and_are_copies),
		cmocka_unit_test(a_copy_that_does_not_fit_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
