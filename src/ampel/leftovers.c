#include "ampel/leftovers.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "io/clock.h"

static bool
add(struct leftovers *l, pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return errno != ESRCH;
	l->process[l->n].fd = fd;
	l->process[l->n].pid = pid;
	l->n++;
	return true;
}

bool
leftovers_take(struct leftovers *l, pid_t server)
{
	char  path[64];
	FILE *f;
	long  pid;

	l->n = 0;
	if (!add(l, server) || l->n == 0)
		return false;
	/* proc(5): those of the first thread, which starts them all */
	snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)server,
	    (long)server);
	f = fopen(path, "re");
	if (f == NULL)
		return true;
	while (l->n < LEFTOVERS_MAX && fscanf(f, "%ld", &pid) == 1)
		add(l, (pid_t)pid);
	fclose(f);
	return true;
}

void
leftovers_close(struct leftovers *l)
{
	while (l->n > 0)
		close(l->process[--l->n].fd);
}

static bool
is_ended(int fd, unsigned timeout_ms)
{
	uint64_t      deadline = clock_monotonic_ms() + timeout_ms;
	struct pollfd end = { .fd = fd, .events = POLLIN };
	int           n;

	do {
		uint64_t now = clock_monotonic_ms();

		n = poll(&end, 1, now < deadline ? (int)(deadline - now) : 0);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

bool
leftovers_wait_for_server(const struct leftovers *l, unsigned timeout_ms)
{
	return l->n == 0 || is_ended(l->process[0].fd, timeout_ms);
}

bool
leftovers_wait_for_children(const struct leftovers *l, unsigned timeout_ms,
    char *error, size_t size)
{
	for (size_t i = 1; i < l->n; i++)
		if (!is_ended(l->process[i].fd, timeout_ms)) {
			snprintf(error, size, "process %ld of the server is "
			    "still there", (long)l->process[i].pid);
			return false;
		}
	return true;
}
