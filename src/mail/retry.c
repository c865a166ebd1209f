#include "mail/retry.h"

/* The integer square root. */
static uint64_t
root(uint64_t n)
{
	uint64_t r = 0;

	for (uint64_t bit = 1ULL << 31; bit > 0; bit >>= 1)
		if ((r + bit) * (r + bit) <= n)
			r += bit;
	return r;
}

uint64_t
retry_next_ms(uint64_t birth_ms, uint64_t now_ms, unsigned k, uint32_t random)
{
	uint64_t start_ms = now_ms > birth_ms ? now_ms : birth_ms;
	uint64_t side = root((start_ms - birth_ms) / 1000) + k;
	uint64_t next_ms = birth_ms + side * side * 1000;
	uint64_t wait_ms = next_ms > start_ms ? next_ms - start_ms : 0;

	return next_ms + wait_ms / 10 * random / UINT32_MAX;
}
