#include "deliver/message.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/memfile.h"

int
message_read(int body, uint64_t offset, char *p, size_t n)
{
	while (n > 0) {
		ssize_t got = pread(body, p, n, (off_t)offset);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return errno;
		if (got == 0)
			return EIO;
		p += got;
		n -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

/* Takes fd. */
static int
reopen_and_close(int fd)
{
	int again = memfile_reopen(fd);
	int error = errno;

	close(fd);
	errno = error;
	return again;
}

static int
open_copy(int body, uint64_t size_bytes)
{
	int fd = memfile_new("message");

	if (fd == -1)
		return -1;
	if (memfile_copy(body, size_bytes, fd) == -1 || memfile_seal(fd) == -1) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return reopen_and_close(fd);
}

int
message_open(int body, uint64_t size_bytes)
{
	uint64_t size;
	int      fd;

	/* its reader could write what is not sealed, and would read what is behind it */
	if (memfile_check(body, UINT64_MAX, &size) == MEMFILE_SEALED &&
	    size == size_bytes) {
		fd = memfile_reopen(body);
		if (fd != -1)
			return fd;
	}
	return open_copy(body, size_bytes);
}
