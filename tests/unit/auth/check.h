/* One question after the other to a checker, in a loop. */
#ifndef AMPEL_TESTS_CHECK_H
#define AMPEL_TESTS_CHECK_H

#include "auth/check.h"

#include "house.h"

static uv_loop_t       loop;
static struct checker *checker;

static inline int
open_loop(void **state)
{
	return open_house(state) != 0 || uv_loop_init(&loop) != 0;
}

/* Nothing of it is left in the loop. */
static inline int
close_loop(void **state)
{
	checker_close(checker);
	checker = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) != 0 || close_house(state) != 0;
}

static inline void
open_checker(void)
{
	char error[256] = "";

	checker = checker_open(&loop, &config, error, sizeof error);
	assert_string_equal(error, "");
	assert_non_null(checker);
}

struct waiting {
	unsigned            times;
	struct check_result result;
};

static inline void
on_done(const struct check_result *result, void *context)
{
	struct waiting *waiting = context;

	waiting->times++;
	waiting->result = *result;
}

static inline struct check_result
check(const char *user, struct bytes password)
{
	const struct check_task task = { user, password, "192.0.2.1" };
	struct waiting          waiting = { 0 };

	assert_non_null(check_start(checker, &task, on_done, &waiting));
	assert_int_equal(waiting.times, 0); /* not from inside */
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(waiting.times, 1);
	return waiting.result;
}

#endif
