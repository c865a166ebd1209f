#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"

enum { READ_AT_ONCE = 64 * 1024, LOCK_RETRY_MS = 10 };

/* To be used on the way out of a failure, whose errno it keeps. */
static void
close_quietly(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
}

/* One read at the end of b. The number of bytes, 0 at the end, or -1 with errno. */
static ssize_t
read_some(int fd, struct buf *b)
{
	size_t  room = b->max - b->len;
	size_t  n = room < READ_AT_ONCE ? room : READ_AT_ONCE;
	char    probe;
	char   *p = n > 0 ? buf_room(b, n) : &probe;
	ssize_t got;

	if (p == NULL) {
		errno = ENOMEM;
		return -1;
	}
	do
		got = read(fd, p, n > 0 ? n : 1);
	while (got == -1 && errno == EINTR);
	if (got > 0 && n == 0) {
		errno = EFBIG;
		return -1;
	}
	if (got > 0)
		buf_grew(b, (size_t)got);
	return got;
}

/* Read fd to its end and close it; refused is for modes that it may not have. */
static int
read_open(int fd, mode_t refused, struct buf *b, struct stat *st)
{
	size_t      len = b->len;
	struct stat own;
	ssize_t     got;

	if (fd == -1)
		return -1;
	if (st == NULL)
		st = &own;
	if (fstat(fd, st) == -1)
		goto undo;
	if (!S_ISREG(st->st_mode) || (st->st_mode & refused)) {
		errno = S_ISREG(st->st_mode) ? EPERM : EINVAL;
		goto undo;
	}
	do
		got = read_some(fd, b);
	while (got > 0);
	if (got == -1)
		goto undo;
	close(fd);
	return 0;
undo:
	b->len = len;
	close_quietly(fd);
	return -1;
}

int
file_read(const char *path, struct buf *b, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return read_open(fd, 0, b, st);
}

int
file_read_secret(const char *path, struct buf *b, struct stat *st)
{
	int fd = open(
	    path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);

	return read_open(fd, S_IROTH | S_IWOTH, b, st);
}

int
file_move(int from_folder, const char *from, int to_folder, const char *to)
{
	if (renameat2(from_folder, from, to_folder, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* a file system that cannot promise that can still make links */
	if (linkat(from_folder, from, to_folder, to, 0) == -1)
		return -1;
	unlinkat(from_folder, from, 0);
	return 0;
}

int
file_write_all(int fd, struct bytes content)
{
	while (content.n > 0) {
		ssize_t put = write(fd, content.p, content.n);

		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1)
			return -1;
		content = bytes_from(content, (size_t)put);
	}
	return 0;
}

static int
open_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char        folder[PATH_MAX] = ".";

	if (slash == path)
		slash++; /* the root folder keeps its name */
	if (slash && !bytes_to_string(
	        (struct bytes){ path, (size_t)(slash - path) }, folder, sizeof folder)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* As the file that is to be replaced, or new with that mode. */
static int
give_owner_and_mode(int fd, const char *path, mode_t mode)
{
	struct stat old, new;

	if (fstat(fd, &new) == -1)
		return -1;
	if (lstat(path, &old) == -1)
		return errno == ENOENT ? fchmod(fd, mode) : -1;
	if (!S_ISREG(old.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	if ((old.st_uid != new.st_uid || old.st_gid != new.st_gid) &&
	    fchown(fd, old.st_uid, old.st_gid) == -1)
		return -1;
	return fchmod(fd, old.st_mode & 07777);
}

/* path is no symbolic link. */
static int
replace(const char *path, struct bytes content, mode_t mode)
{
	char beside[PATH_MAX];
	int  n = snprintf(beside, sizeof beside, "%s.XXXXXX", path);
	int  folder, fd, error;

	if (n < 0 || (size_t)n >= sizeof beside) {
		errno = ENAMETOOLONG;
		return -1;
	}
	folder = open_folder_of(path);
	if (folder == -1)
		return -1;
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd == -1)
		goto undo_folder;
	if (give_owner_and_mode(fd, path, mode) == -1 ||
	    file_write_all(fd, content) == -1 || fsync(fd) == -1 ||
	    rename(beside, path) == -1)
		goto undo_beside;
	close(fd);
	if (fsync(folder) == -1)
		goto undo_folder; /* replaced, but a power cut may take it back */
	close(folder);
	return 0;
undo_beside:
	error = errno;
	close(fd);
	unlink(beside);
	errno = error;
undo_folder:
	close_quietly(folder);
	return -1;
}

int
file_replace(const char *path, struct bytes content, mode_t mode)
{
	/* A symbolic link stays one: what it names is replaced. */
	char *real = realpath(path, NULL);
	int   result;

	if (real == NULL && errno != ENOENT)
		return -1;
	result = replace(real ? real : path, content, mode);
	free(real);
	return result;
}

int
file_lock(const char *path, unsigned timeout_ms)
{
	const struct timespec pause = { .tv_nsec = LOCK_RETRY_MS * 1000 * 1000 };
	const uint64_t        deadline_ms = clock_monotonic_ms() + timeout_ms;
	char                  beside[PATH_MAX];
	int                   n = snprintf(beside, sizeof beside, "%s.lock", path);
	int                   fd;

	if (n < 0 || (size_t)n >= sizeof beside) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(beside, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK && clock_monotonic_ms() >= deadline_ms)
			errno = ETIMEDOUT;
		if (errno != EWOULDBLOCK && errno != EINTR) {
			close_quietly(fd);
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

static int
make_folder(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST || stat(path, &st) == -1)
		return -1;
	if (S_ISDIR(st.st_mode))
		return 0;
	errno = ENOTDIR;
	return -1;
}

int
file_make_folders(const char *path, mode_t mode)
{
	char part[PATH_MAX];

	if (!bytes_to_string(bytes_of(path), part, sizeof part)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (char *p = part; *p != '\0'; p++) {
		if (*p != '/' || p == part)
			continue;
		*p = '\0';
		if (make_folder(part, mode) == -1)
			return -1;
		*p = '/';
	}
	return make_folder(part, mode);
}

int
file_set_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1)
		return -1;
	return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}
