#include "ampel/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number.h"
#include "io/file.h"
#include "mail/paths.h"

static int  held = -1;
static char held_path[PATHS_MAX];

/* Who looks holds the lock for a moment (pidfile_look); who lives keeps it. */
static bool
lock_for_life(int fd)
{
	enum { TRIES = 25, PAUSE_US = 20 * 1000 };

	for (int i = 0; i < TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		usleep(PAUSE_US);
	}
	return false;
}

/* One that ended between our open and our lock took the name away with it. */
static bool
is_still_named(int fd)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && lstat(held_path, &named) == 0 &&
	    ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

static enum pidfile_claim
claim(char *error, size_t size)
{
	do {
		if (held >= 0)
			close(held);
		held = open(held_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		    0644);
		if (held < 0) {
			snprintf(error, size, "%s: %s", held_path,
			    strerror(errno));
			return PIDFILE_BROKEN;
		}
		if (!lock_for_life(held)) {
			snprintf(error, size,
			    "is already running (%s is locked)", held_path);
			close(held);
			held = -1;
			return PIDFILE_OTHERS;
		}
	} while (!is_still_named(held));
	return PIDFILE_OURS;
}

enum pidfile_claim
pidfile_take(const struct config *config, char *error, size_t size)
{
	char               number[32];
	int                n;
	enum pidfile_claim claimed;

	if (!paths_get(config, PATH_PID, BYTES(""), held_path)) {
		snprintf(error, size, "the path of the pid file is too long");
		return PIDFILE_BROKEN;
	}
	claimed = claim(error, size);
	if (claimed != PIDFILE_OURS)
		return claimed;
	n = snprintf(number, sizeof number, "%ld\n", (long)getpid());
	if (ftruncate(held, 0) != 0 ||
	    file_write_all(held, (struct bytes){ number, (size_t)n }) != 0) {
		snprintf(error, size, "%s: %s", held_path, strerror(errno));
		pidfile_release();
		return PIDFILE_BROKEN;
	}
	return PIDFILE_OURS;
}

void
pidfile_release(void)
{
	if (held < 0)
		return;
	unlink(held_path);
	close(held);
	held = -1;
}

enum pidfile_state
pidfile_look(const struct config *config, pid_t *pid)
{
	char               path[PATHS_MAX], text[32];
	ssize_t            n;
	uint64_t           number;
	enum pidfile_state state;
	int                fd;

	*pid = 0;
	if (!paths_get(config, PATH_PID, BYTES(""), path))
		return PIDFILE_NONE;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return PIDFILE_NONE;
	n = read(fd, text, sizeof text);
	if (n > 1 && number_parse((struct bytes){ text, (size_t)n - 1 },
	                 INT32_MAX, &number))
		*pid = (pid_t)number;
	state = flock(fd, LOCK_SH | LOCK_NB) == 0 ? PIDFILE_STALE : PIDFILE_HELD;
	close(fd);
	return state;
}
