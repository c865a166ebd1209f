#include "ampel/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/number.h"
#include "io/log.h"

static struct {
	int                fd; /* valid when length is not 0 */
	struct sockaddr_un address;
	socklen_t          length; /* 0: nobody listens */
	uint64_t           watchdog_ms;
} target;

/* A path, or "@name" in the abstract namespace. False: neither. */
static bool
set_address(const char *name)
{
	size_t n = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || n < 2 ||
	    n >= sizeof target.address.sun_path)
		return false;
	target.address.sun_family = AF_UNIX;
	memcpy(target.address.sun_path, name, n);
	if (name[0] == '@')
		target.address.sun_path[0] = '\0';
	target.length =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return true;
}

/* WATCHDOG_PID says for which process it is meant; absent: for whoever reads it. */
static uint64_t
read_watchdog_ms(void)
{
	const char *us = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t    number;

	if (pid && (!number_parse(bytes_of(pid), INT32_MAX, &number) ||
	               (pid_t)number != getpid()))
		return 0;
	if (us == NULL || !number_parse(bytes_of(us), INT64_MAX, &number))
		return 0;
	number /= 2 * 1000;
	return number > 0 ? number : 1;
}

void
notify_open(bool is_main)
{
	const char *name = getenv("NOTIFY_SOCKET");

	if (is_main && name) {
		target.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (target.fd < 0)
			log_text("NOTIFY_SOCKET: %s", strerror(errno));
		else if (set_address(name))
			target.watchdog_ms = read_watchdog_ms();
		else
			close(target.fd);
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
notify_close(void)
{
	if (target.length > 0)
		close(target.fd);
	target.length = 0;
}

bool
notify_is_wanted(void)
{
	return target.length > 0;
}

void
notify_say(const char *text)
{
	if (target.length == 0)
		return;
	/* It must not hold us up; systemd reads at once, or the message is lost. */
	if (sendto(target.fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
	        (struct sockaddr *)&target.address, target.length) < 0)
		log_text("NOTIFY_SOCKET: %s", strerror(errno));
}

void
notify_reloading(void)
{
	char            text[128];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld%06ld\n"
	    "STATUS=taking the configuration anew",
	    (long long)now.tv_sec, now.tv_nsec / 1000);
	notify_say(text);
}

uint64_t
notify_watchdog_ms(void)
{
	return target.watchdog_ms;
}
