#include "pop3d/ahead.h"

#include <assert.h>
#include <unistd.h>

static void
close_first(struct ahead *a)
{
	int fd = ahead_take(a);

	if (fd != -1)
		close(fd);
}

static void
close_before(struct ahead *a, uint32_t number)
{
	while (a->first < a->arriving && a->first < number)
		close_first(a);
}

void
ahead_finish(struct ahead *a)
{
	close_before(a, a->arriving);
	*a = (struct ahead){ 0 };
}

bool
ahead_has(const struct ahead *a, uint32_t number)
{
	return number >= a->first && number < a->end;
}

bool
ahead_is_here(const struct ahead *a, uint32_t number)
{
	return number >= a->first && number < a->arriving;
}

size_t
ahead_count(const struct ahead *a)
{
	return a->end - a->first;
}

/*
 * Whoever gives up a run with some on their way waits, before he can give up another with
 * some on their way, for a message of that, which comes behind them all.
 */
void
ahead_give_up(struct ahead *a)
{
	close_before(a, a->arriving);
	if (a->arriving < a->end) {
		assert(a->unwanted == a->unwanted_end);
		a->unwanted = a->arriving;
		a->unwanted_end = a->end;
	}
	a->first = a->arriving = a->end = 0;
}

void
ahead_begin_at(struct ahead *a, uint32_t number)
{
	if (ahead_has(a, number)) {
		close_before(a, number);
	} else {
		ahead_give_up(a);
		a->arriving = a->end = number;
	}
	a->first = number;
}

void
ahead_asked(struct ahead *a, uint32_t n)
{
	assert(ahead_count(a) + n <= AHEAD_MAX);
	a->end += n;
}

static void
close_unless_gone(int fd)
{
	if (fd != -1)
		close(fd);
}

bool
ahead_arrived(struct ahead *a, uint32_t number, int fd)
{
	if (a->unwanted < a->unwanted_end) {
		if (number != a->unwanted)
			return false;
		a->unwanted++;
		close_unless_gone(fd);
		return true;
	}
	if (number != a->arriving || number == a->end)
		return false;
	a->arriving++;
	if (number < a->first)
		close_unless_gone(fd); /* the run begins behind it by now */
	else
		a->fds[number % AHEAD_MAX] = fd;
	return true;
}

int
ahead_take(struct ahead *a)
{
	assert(a->first < a->arriving);
	return a->fds[a->first++ % AHEAD_MAX];
}
