#include "ampel/home.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "io/file.h"

/*
 * Every step is taken from a descriptor of the folder before it, and follows no link:
 * whoever owns an old home could otherwise make root give away another folder.
 */
static int
open_folder(int above, const char *name)
{
	return openat(
	    above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The folder becomes the user's when it was just made, by us. */
static int
give(const struct home *home, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	if (st.st_uid == home->uid)
		return 0;
	if (st.st_uid != geteuid()) {
		errno = EPERM;
		return -1;
	}
	return fchown(fd, home->uid, home->gid);
}

/* A folder of the user's below another; its descriptor, or -1 with errno. */
static int
make(const struct home *home, int above, const char *name, bool *was_there)
{
	int fd, error;

	*was_there = mkdirat(above, name, 0700) == -1;
	if (*was_there && errno != EEXIST)
		return -1;
	fd = open_folder(above, name);
	if (fd == -1 || give(home, fd) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int
make_below(const struct home *home, int above, const char *name)
{
	bool was_there;
	int  fd = make(home, above, name, &was_there);

	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

static int
make_maildir(const struct home *home, int fd)
{
	static const char *const names[] = { "tmp", "new", "cur" };
	bool                     was_there;
	int                      maildir = make(home, fd, "Maildir", &was_there);
	int                      result = maildir == -1 ? -1 : 0;

	for (size_t i = 0; result == 0 && i < 3; i++)
		result = make_below(home, maildir, names[i]);
	if (maildir != -1 && fsync(maildir) == -1)
		result = -1;
	if (maildir != -1)
		close(maildir);
	return result;
}

/* The folder of the homes, which is not the user's. */
static int
open_above(const char *path, const char *slash)
{
	char above[PATH_MAX];

	if (!bytes_to_string((struct bytes){ path, (size_t)(slash - path) },
	        above, sizeof above)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (file_make_folders(above, 0755) == -1)
		return -1;
	return open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool
home_make(struct home *home, char *error, size_t size)
{
	const char *slash = strrchr(home->path, '/');
	int         above = open_above(home->path, slash);
	int         fd = -1, result = -1;

	if (above != -1)
		fd = make(home, above, slash + 1, &home->was_there);
	if (fd != -1)
		result = make_maildir(home, fd);
	if (result == 0 && (fsync(fd) == -1 || fsync(above) == -1))
		result = -1;
	if (result == -1)
		snprintf(error, size, "%s", strerror(errno));
	if (fd != -1)
		close(fd);
	if (above != -1)
		close(above);
	return result == 0;
}
