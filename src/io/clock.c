#include "io/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static uint64_t
now_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t); /* fails only for a clock that does not exist */
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t
clock_now_ms(void)
{
	return now_ms(CLOCK_REALTIME);
}

uint64_t
clock_today(void)
{
	return clock_now_ms() / (24 * 60 * 60 * 1000);
}

uint64_t
clock_monotonic_ms(void)
{
	return now_ms(CLOCK_MONOTONIC);
}

void
random_fill(void *p, size_t n)
{
	char *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			abort();
		at += got;
		n -= (size_t)got;
	}
}
