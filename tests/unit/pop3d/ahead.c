#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pop3d/ahead.h"

enum { MESSAGES = 200 };

/* The descriptor of each message that was handed out. */
static int fds[MESSAGES + 1];

static bool
is_open(uint32_t number)
{
	return fcntl(fds[number], F_GETFD) != -1 || errno != EBADF;
}

static bool
arrives(struct ahead *a, uint32_t number)
{
	fds[number] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100 + (int)number);
	assert_int_not_equal(fds[number], -1);
	if (ahead_arrived(a, number, fds[number]))
		return true;
	close(fds[number]);
	return false;
}

static void
test_in_order(void **state)
{
	struct ahead a = { 0 };

	(void)state;
	assert_false(ahead_has(&a, 0));
	assert_false(ahead_has(&a, 1));
	ahead_begin_at(&a, 1);
	ahead_asked(&a, 3);
	assert_true(ahead_has(&a, 3));
	assert_false(ahead_has(&a, 4));
	assert_false(ahead_is_here(&a, 1));
	assert_true(arrives(&a, 1));
	assert_true(ahead_is_here(&a, 1));
	assert_false(ahead_is_here(&a, 2));
	assert_int_equal(ahead_take(&a), fds[1]);
	assert_int_equal(ahead_count(&a), 2);
	assert_true(is_open(1)); /* it is ours now */
	close(fds[1]);
	assert_true(ahead_arrived(&a, 2, -1)); /* gone */
	assert_true(ahead_is_here(&a, 2));
	assert_int_equal(ahead_take(&a), -1);
	assert_true(arrives(&a, 3));
	ahead_finish(&a);
	assert_false(is_open(3));
}

/* What is not what was to come. */
static void
test_unexpected(void **state)
{
	struct ahead a = { 0 };

	(void)state;
	assert_false(arrives(&a, 0));
	assert_false(arrives(&a, 1));
	ahead_begin_at(&a, 5);
	assert_false(arrives(&a, 5));
	ahead_asked(&a, 2);
	assert_false(arrives(&a, 4));
	assert_false(arrives(&a, 6));
	assert_true(arrives(&a, 5));
	assert_false(arrives(&a, 5));
	assert_true(arrives(&a, 6));
	assert_false(arrives(&a, 7));
	ahead_finish(&a);
}

static void
test_passing_over(void **state)
{
	struct ahead a = { 0 };

	(void)state;
	ahead_begin_at(&a, 1);
	ahead_asked(&a, 6);
	assert_true(arrives(&a, 1));
	assert_true(arrives(&a, 2));
	ahead_begin_at(&a, 2);
	assert_false(is_open(1));
	assert_true(is_open(2));
	ahead_begin_at(&a, 5); /* which is on its way, as are 3 and 4 */
	assert_false(is_open(2));
	assert_int_equal(ahead_count(&a), 2);
	assert_true(arrives(&a, 3));
	assert_false(is_open(3));
	assert_true(arrives(&a, 4));
	assert_false(is_open(4));
	assert_false(ahead_is_here(&a, 5));
	assert_true(arrives(&a, 5));
	assert_true(ahead_is_here(&a, 5));
	assert_true(is_open(5));
	ahead_finish(&a);
	assert_false(is_open(5));
}

static void
test_given_up(void **state)
{
	struct ahead a = { 0 };

	(void)state;
	ahead_begin_at(&a, 1);
	ahead_asked(&a, 4);
	assert_true(arrives(&a, 1));
	ahead_begin_at(&a, 50);
	assert_false(is_open(1));
	assert_false(ahead_has(&a, 50));
	ahead_asked(&a, 1);
	assert_false(arrives(&a, 50)); /* 2, 3, 4 come before */
	for (uint32_t i = 2; i <= 4; i++) {
		assert_true(arrives(&a, i));
		assert_false(is_open(i));
		assert_false(ahead_is_here(&a, i));
	}
	assert_true(arrives(&a, 50));
	assert_true(ahead_is_here(&a, 50));
	ahead_give_up(&a);
	assert_false(is_open(50));
	assert_false(ahead_has(&a, 50));
	ahead_begin_at(&a, 2); /* backwards */
	ahead_asked(&a, 1);
	assert_true(arrives(&a, 2));
	assert_true(ahead_is_here(&a, 2));
	ahead_finish(&a);
}

/* A full run, moved on by one for as long as there are messages. */
static void
test_long_run(void **state)
{
	struct ahead a = { 0 };
	uint32_t     asked = AHEAD_MAX, arrived = 0;

	(void)state;
	ahead_begin_at(&a, 1);
	ahead_asked(&a, AHEAD_MAX);
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		while (arrived < asked)
			assert_true(arrives(&a, ++arrived));
		assert_true(ahead_is_here(&a, i));
		assert_int_equal(ahead_take(&a), fds[i]);
		close(fds[i]);
		if (asked < MESSAGES) {
			ahead_asked(&a, 1);
			asked++;
		}
	}
	assert_int_equal(ahead_count(&a), 0);
	ahead_finish(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_unexpected),
		cmocka_unit_test(test_passing_over),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_long_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
