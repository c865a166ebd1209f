#include "deliver/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TRIES = 8 }; /* while somebody renames what is on the way */

static struct bytes
skip_slashes(struct bytes path)
{
	while (path.n > 0 && path.p[0] == '/')
		path = bytes_from(path, 1);
	return path;
}

static struct bytes
without_slashes_at_end(struct bytes path)
{
	while (path.n > 0 && path.p[path.n - 1] == '/')
		path.n--;
	return path;
}

bool
beneath_path(struct bytes line, const char *home, struct bytes *path)
{
	struct bytes root = without_slashes_at_end(bytes_of(home));

	if (line.n == 0)
		return false;
	if (line.p[0] == '/') {
		if (!bytes_start(line, root) ||
		    (line.n > root.n && line.p[root.n] != '/'))
			return false;
		line = skip_slashes(bytes_from(line, root.n));
	}
	while (bytes_start(line, BYTES("./")))
		line = skip_slashes(bytes_from(line, 2));
	*path = line.n > 0 ? line : BYTES(".");
	return true;
}

int
beneath_open(int home, struct bytes path, int flags, mode_t mode)
{
	const struct open_how how = {
		.flags = (unsigned)flags | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
		.mode = (flags & O_CREAT) ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
		    RESOLVE_NO_MAGICLINKS,
	};
	char name[PATH_MAX];
	long fd = -1;

	if (!bytes_to_string(path, name, sizeof name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (int i = 0; i < TRIES && fd == -1; i++) {
		fd = syscall(SYS_openat2, home, name, &how, sizeof how);
		if (fd == -1 && errno != EAGAIN && errno != EINTR)
			break;
	}
	return (int)fd;
}

const char *
beneath_problem(int error)
{
	if (error == EXDEV)
		return "lies outside of the home";
	if (error == ELOOP)
		return "has a symbolic link on its way";
	return strerror(error);
}
