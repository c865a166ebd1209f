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
	uint64_t age_ms = now_ms > birth_ms ? now_ms - birth_ms : 0;
	uint64_t side = root(age_ms / 1000) + k;
	uint64_t next_age_ms = side * side * 1000;
	uint64_t wait_ms = next_age_ms > age_ms ? next_age_ms - age_ms : 0;

	return now_ms + wait_ms + wait_ms / 10 * random / UINT32_MAX;
}

struct retry
retry_after(const struct retry_terms *terms, uint64_t birth_ms, uint64_t now_ms,
    uint32_t random)
{
	uint64_t     age_ms = now_ms > birth_ms ? now_ms - birth_ms : 0;
	uint64_t     end_ms = now_ms - age_ms + terms->lifetime_ms;
	struct retry r = {
		.is_over = age_ms >= terms->lifetime_ms,
		.is_late = terms->warning_ms > 0 && age_ms >= terms->warning_ms,
		.due_ms = retry_next_ms(birth_ms, now_ms, terms->k, random),
	};

	if (!r.is_over && r.due_ms > end_ms)
		r.due_ms = end_ms;
	return r;
}
