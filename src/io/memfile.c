#include "io/memfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

enum {
	ALL_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
	COPY_AT_ONCE = 1024 * 1024 * 1024,
};

int
memfile_new(const char *name)
{
	return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

int
memfile_new_on_disk(const char *directory)
{
	return open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

int
memfile_new_for(const char *name, const char *directory, uint64_t size_bytes)
{
	return directory == NULL || size_bytes <= MEMFILE_LARGE
	    ? memfile_new(name)
	    : memfile_new_on_disk(directory);
}

int
memfile_write(int fd, struct bytes content)
{
	return file_write_all(fd, content);
}

int
memfile_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, ALL_SEALS);
}

int
memfile_seal_if_memory(int fd)
{
	if (fcntl(fd, F_GET_SEALS) == -1 && errno == EINVAL)
		return 0;
	return memfile_seal(fd);
}

int
memfile_of(const char *name, struct bytes content)
{
	int fd = memfile_new(name);
	int error;

	if (fd == -1)
		return -1;
	if (memfile_write(fd, content) == 0 && memfile_seal(fd) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

enum memfile_kind
memfile_check(int fd, uint64_t max_bytes, uint64_t *size_bytes)
{
	/* First the seals, then the size, which those seals hold fast. */
	int         seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_size < 0 ||
	    (uint64_t)st.st_size > max_bytes)
		return MEMFILE_BAD;
	*size_bytes = (uint64_t)st.st_size;
	return seals != -1 && (seals & ALL_SEALS) == ALL_SEALS ? MEMFILE_SEALED :
	                                                         MEMFILE_OPEN;
}

int
memfile_reopen(int fd)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int
memfile_read(int fd, uint64_t offset, struct buf *b)
{
	struct stat st;
	size_t      n, got_all = 0;
	char       *room;

	if (fstat(fd, &st) == -1)
		return -1;
	if (offset >= (uint64_t)st.st_size)
		return 0;
	n = (size_t)((uint64_t)st.st_size - offset);
	room = buf_room(b, n);
	if (room == NULL) {
		errno = ENOMEM;
		return -1;
	}
	while (got_all < n) {
		ssize_t got =
		    pread(fd, room + got_all, n - got_all, (off_t)(offset + got_all));

		if (got == -1 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO; /* it shrank: it was not sealed */
		if (got <= 0)
			return -1;
		got_all += (size_t)got;
	}
	buf_grew(b, n);
	return 0;
}

int
memfile_copy(int from, uint64_t size_bytes, int to)
{
	off_t offset = 0;

	while ((uint64_t)offset < size_bytes) {
		uint64_t rest = size_bytes - (uint64_t)offset;
		ssize_t  got = sendfile(to, from, &offset,
		     rest < COPY_AT_ONCE ? (size_t)rest : COPY_AT_ONCE);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		if (got <= 0)
			return -1;
	}
	return 0;
}
