#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "lookup/remembered.h"

enum { NOW = 1000 };

static struct remembered r;

static struct extension
extension(const char *user, const char *dash, const char *name)
{
	return (struct extension){ bytes_of(user), bytes_of(dash), bytes_of(name) };
}

/* 1: yes, 0: no, -1: unknown. */
static int
find(struct extension e, uint64_t now_ms)
{
	bool exists = false;

	return remembered_find(&r, &e, now_ms, &exists) ? exists : -1;
}

static void
add(struct extension e, uint64_t now_ms, bool exists)
{
	remembered_add(&r, &e, now_ms, exists);
}

static int
set_up(void **state)
{
	(void)state;
	return remembered_init(&r, 1) ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	remembered_finish(&r);
	return 0;
}

static void
test_for_a_minute(void **state)
{
	const struct extension yes = extension("joe", "-", "list");
	const struct extension no = extension("joe", "-", "nothing");

	(void)state;
	assert_int_equal(find(yes, NOW), -1);
	add(yes, NOW, true);
	add(no, NOW, false);
	assert_int_equal(find(yes, NOW + 59999), 1);
	assert_int_equal(find(no, NOW + 59999), 0);
	assert_int_equal(find(yes, NOW + 60000), -1);
	assert_int_equal(find(no, NOW + 60000), -1);
	/* a file was made meanwhile */
	add(no, NOW + 60000, true);
	assert_int_equal(find(no, NOW + 60001), 1);
}

/* What belongs to one part never looks like another's. */
static void
test_parts(void **state)
{
	static const char *const others[][3] = {
		{ "joe", "-", "lisT" },
		{ "joe", "", "-list" },
		{ "joe-", "", "list" },
		{ "jo", "e-", "list" },
		{ "joe", "-l", "ist" },
		{ "+joe", "-", "list" },
		{ "joe", "-", "" },
	};

	(void)state;
	add(extension("joe", "-", "list"), NOW, true);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_int_equal(find(extension(others[i][0], others[i][1],
		                     others[i][2]), NOW), -1);
}

static void
test_bounded(void **state)
{
	char name[16];

	(void)state;
	for (int i = 0; i <= REMEMBERED_MAX; i++) {
		snprintf(name, sizeof name, "%d", i);
		add(extension("joe", "-", name), NOW, true);
	}
	assert_int_equal(r.answers.n, REMEMBERED_MAX);
	assert_int_equal(find(extension("joe", "-", "0"), NOW), -1);
	assert_int_equal(find(extension("joe", "-", "1"), NOW), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_for_a_minute, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
