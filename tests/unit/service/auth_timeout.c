/*
 * A question that auth never answers. The clock is the test's (a linker wrap): it jumps,
 * and moves by one at each look; it begins at the boot, when there is no long ago.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "io/clock.h"
#include "io/peer.h"
#include "service/auth_client.h"

static uint64_t now_ms = 1000;

uint64_t __wrap_clock_monotonic_ms(void);

uint64_t
__wrap_clock_monotonic_ms(void)
{
	return now_ms++;
}

static void
on_answer(enum password_answer answer, struct bytes user, void *context)
{
	unsigned *times = context;

	assert_int_equal(answer, PASSWORD_TRY_LATER);
	assert_int_equal(user.n, 0);
	++*times;
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

static void
ask(struct auth_client *client, unsigned *times)
{
	assert_non_null(auth_ask(client, BYTES("smtps"), BYTES("192.0.2.1"),
	    BYTES("alice"), BYTES("secret"), -1, on_answer, times));
}

static void
overdue_is_try_later(void **state)
{
	unsigned            old = 0, young = 0;
	struct auth_client *client;
	uv_loop_t           loop;
	int                 pair[2];

	(void)state;
	uv_loop_init(&loop);
	client = auth_client_new(&loop);
	assert_int_equal(peer_pair(pair), 0);
	auth_client_connect(client, pair[0]);
	ask(client, &old);
	one_tick(&loop);
	assert_int_equal(old, 0);
	now_ms += AUTH_TIMEOUT_MS;
	ask(client, &young);
	one_tick(&loop);
	assert_int_equal(old, 1);
	assert_int_equal(young, 0);
	auth_client_free(client);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(young, 0);
	close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overdue_is_try_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
