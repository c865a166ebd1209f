#include "pop3d/stdio_drop.h"

#include "io/clock.h"
#include "proto/maildrop.h"

enum {
	TICK_MS = 1000,
	AHEAD_BUDGET = 64, /* descriptors: only one session is here */
};

/* --- answers --- */

static void
on_listed(bool ok, struct bytes list, size_t n, void *context)
{
	struct stdio_drop *d = context;

	d->is_asking = false;
	d->is_listed = ok;
	d->list = list;
	d->n_messages = n;
}

static void
on_opened(bool is_open, void *context)
{
	struct stdio_drop *d = context;

	d->is_asking = false;
	d->is_open = is_open;
}

static void
on_updated(size_t failed, void *context)
{
	struct stdio_drop *d = context;

	d->is_asking = false;
	d->n_failed = failed;
}

/* Wakes the loop, so that deadlines are looked at. */
static void
on_tick(uv_timer_t *tick)
{
	(void)tick;
}

static void
wait_for_answer(struct stdio_drop *d)
{
	for (;;) {
		drop_is_asking(d->drop, clock_monotonic_ms()); /* no more, when it is late */
		if (!d->is_asking)
			return;
		uv_run(&d->loop, UV_RUN_ONCE);
	}
}

/* --- questions --- */

bool
stdio_drop_open(struct stdio_drop *d, int socket)
{
	static const struct drop_calls calls = { on_listed, on_opened, on_updated };

	d->is_listed = false;
	d->drop = drop_open(&d->all, socket, &calls, d);
	if (d->drop == NULL)
		return false;
	d->is_asking = true;
	wait_for_answer(d);
	return d->is_listed;
}

void
stdio_drop_close(struct stdio_drop *d)
{
	drop_close(d->drop);
	d->drop = NULL;
}

bool
stdio_drop_message(struct stdio_drop *d, size_t number)
{
	switch (drop_message(d->drop, number)) {
	case DROP_IS_OPEN:
		return true;
	case DROP_CANNOT:
		return false;
	case DROP_WAITS:
		break;
	}
	d->is_asking = true;
	wait_for_answer(d);
	return d->is_open;
}

size_t
stdio_drop_update(struct stdio_drop *d)
{
	d->is_asking = true;
	drop_update(d->drop);
	wait_for_answer(d);
	return d->n_failed;
}

/* --- its loop --- */

bool
stdio_drop_init(struct stdio_drop *d)
{
	*d = (struct stdio_drop){
		.all = {
			.list_bytes_max = (uint64_t)MAILDROP_MAX * MAILDROP_RECORD,
			.ahead_max = AHEAD_BUDGET,
		},
	};
	if (uv_loop_init(&d->loop) != 0)
		return false;
	d->all.loop = &d->loop;
	uv_timer_init(&d->loop, &d->tick);
	uv_timer_start(&d->tick, on_tick, TICK_MS, TICK_MS);
	return true;
}

void
stdio_drop_finish(struct stdio_drop *d)
{
	stdio_drop_close(d);
	uv_close((uv_handle_t *)&d->tick, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	uv_loop_close(&d->loop);
}
