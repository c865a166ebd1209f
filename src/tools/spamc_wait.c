#include "tools/spamc_wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "io/clock.h"

uint64_t
spamc_deadline(uint64_t timeout_s)
{
	return timeout_s == 0 ? UINT64_MAX
	                      : clock_monotonic_ms() + timeout_s * 1000;
}

static int
left_ms(uint64_t deadline_ms)
{
	uint64_t now_ms = clock_monotonic_ms();

	if (deadline_ms == UINT64_MAX)
		return -1;
	if (deadline_ms <= now_ms)
		return 0;
	return deadline_ms - now_ms > INT_MAX ? INT_MAX
	                                      : (int)(deadline_ms - now_ms);
}

bool
spamc_wait(int fd, short events, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int           n;

	do
		n = poll(&p, 1, left_ms(deadline_ms));
	while (n == -1 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0;
}
