/*
 * Questions that lookup never answers. The clock is the test's (a linker wrap): it
 * jumps, and moves by one at each look.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "io/clock.h"
#include "io/peer.h"
#include "service/lookup_client.h"

static uint64_t now_ms = 1000;

uint64_t __wrap_clock_monotonic_ms(void);

uint64_t
__wrap_clock_monotonic_ms(void)
{
	return now_ms++;
}

struct told {
	struct lookup_client *client; /* to ask again; NULL: do not */
	unsigned              times;
};

static void
on_recipient(enum recipient_answer answer, void *context)
{
	struct told *told = context;

	assert_int_equal(answer, RECIPIENT_TRY_LATER);
	told->times++;
	assert_true(told->times < 10);
	if (told->client)
		assert_non_null(lookup_recipient(told->client,
		    BYTES("joe@example.org"), BYTES(""), on_recipient, told));
}

static void
on_wake(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
}

/* Long enough for the client to look at its clock once. */
static void
one_tick(uv_loop_t *loop)
{
	uv_timer_t timer;

	uv_timer_init(loop, &timer);
	uv_timer_start(&timer, on_wake, 1200, 0);
	while (uv_is_active((uv_handle_t *)&timer))
		uv_run(loop, UV_RUN_ONCE);
	uv_run(loop, UV_RUN_NOWAIT);
}

/* With lookup and without; the old one is told, the young one waits on. */
static void
overdue_is_try_later(void **state)
{
	(void)state;
	for (int connected = 0; connected < 2; connected++) {
		struct told           old = { 0 }, young = { 0 };
		struct lookup_client *client;
		uv_loop_t             loop;
		int                   pair[2];

		uv_loop_init(&loop);
		client = lookup_client_new(&loop);
		assert_int_equal(peer_pair(pair), 0);
		if (connected)
			lookup_client_connect(client, pair[0]);
		lookup_recipient(client, BYTES("a@example.org"), BYTES(""), on_recipient, &old);
		now_ms += LOOKUP_TIMEOUT_MS;
		lookup_recipient(client, BYTES("b@example.org"), BYTES(""), on_recipient, &young);
		assert_int_equal(old.times, 0);
		one_tick(&loop);
		assert_int_equal(old.times, 1);
		assert_int_equal(young.times, 0);
		lookup_client_free(client);
		uv_run(&loop, UV_RUN_DEFAULT);
		assert_int_equal(uv_loop_close(&loop), 0);
		if (!connected)
			close(pair[0]);
		close(pair[1]);
	}
}

/* Asked again from inside the answer, a question has its full time. */
static void
asked_again_has_its_time(void **state)
{
	struct told           told = { 0 };
	struct lookup_client *client;
	uv_loop_t             loop;

	(void)state;
	uv_loop_init(&loop);
	client = told.client = lookup_client_new(&loop);
	lookup_recipient(client, BYTES("a@example.org"), BYTES(""), on_recipient, &told);
	now_ms += LOOKUP_TIMEOUT_MS;
	one_tick(&loop);
	assert_int_equal(told.times, 1);
	lookup_client_free(client);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overdue_is_try_later),
		cmocka_unit_test(asked_again_has_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
