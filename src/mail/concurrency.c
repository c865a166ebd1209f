#include "mail/concurrency.h"

void
concurrency_init(struct concurrency *c)
{
	*c = (struct concurrency){ .limit = CONCURRENCY_START };
}

unsigned
concurrency_limit(const struct concurrency *c, unsigned max)
{
	unsigned limit = c->limit < max ? c->limit : max;

	return limit > 0 ? limit : 1;
}

void
concurrency_succeeded(struct concurrency *c, unsigned max)
{
	if (++c->successes < c->limit)
		return;
	c->successes = 0;
	if (c->limit < max)
		c->limit++;
}

void
concurrency_failed(struct concurrency *c, uint64_t now_ms)
{
	c->successes = 0;
	if (c->halved_ms > 0 && now_ms - c->halved_ms < CONCURRENCY_HALVE_PAUSE_MS)
		return;
	c->halved_ms = now_ms;
	if (c->limit > 1)
		c->limit /= 2;
}

/* --- down --- */

void
concurrency_came_up(struct concurrency *c)
{
	c->state = CONCURRENCY_UP;
	c->down_ms = 0;
}

void
concurrency_went_down(struct concurrency *c, uint64_t now_ms, uint32_t random)
{
	/* connections that were begun before it was known */
	if (c->state == CONCURRENCY_DOWN)
		return;
	c->down_ms = c->down_ms == 0 ? CONCURRENCY_DOWN_MS : 2 * c->down_ms;
	if (c->down_ms > CONCURRENCY_DOWN_MAX_MS)
		c->down_ms = CONCURRENCY_DOWN_MAX_MS;
	c->state = CONCURRENCY_DOWN;
	c->probe_ms = now_ms + c->down_ms + c->down_ms / 10 * random / UINT32_MAX;
	/* it comes back gently */
	c->limit = 1;
	c->successes = 0;
}

bool
concurrency_admit(struct concurrency *c, uint64_t now_ms)
{
	if (c->state == CONCURRENCY_UP)
		return true;
	if (c->state == CONCURRENCY_PROBING || now_ms < c->probe_ms)
		return false;
	c->state = CONCURRENCY_PROBING;
	return true;
}

void
concurrency_probe_void(struct concurrency *c)
{
	if (c->state == CONCURRENCY_PROBING)
		c->state = CONCURRENCY_DOWN;
}

void
concurrency_retry(struct concurrency *c)
{
	if (c->state == CONCURRENCY_DOWN)
		concurrency_init(c);
}
