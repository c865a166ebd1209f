#include "smtpd/message_file.h"

#include <errno.h>
#include <unistd.h>

#include "io/memfile.h"

/* A usual message is one write. */
enum { WRITE_AT = 64 * 1024, WAITING_MAX = WRITE_AT + 64 * 1024 };

static bool
memory_take(struct message_memory *memory, uint64_t bytes)
{
	if (bytes > memory->max || memory->used > memory->max - bytes)
		return false;
	memory->used += bytes;
	return true;
}

void
message_memory_release(struct message_memory *memory, uint64_t bytes)
{
	memory->used -= bytes;
}

int
message_file_open(struct message_file *m, struct message_memory *memory,
    const char *directory)
{
	*m = (struct message_file){ .memory = memory, .directory = directory };
	buf_init(&m->waiting, WAITING_MAX);
	m->fd = memfile_new("message");
	return m->fd == -1 ? -1 : 0;
}

/* Goes on in a file on disk, with what was written so far. */
static int
move_to_disk(struct message_file *m)
{
	int fd, error;

	if (m->directory == NULL) {
		errno = ENOSPC;
		return -1;
	}
	fd = memfile_new_on_disk(m->directory);
	if (fd == -1)
		return -1;
	if (memfile_copy(m->fd, m->size_bytes, fd) == -1) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	close(m->fd);
	m->fd = fd;
	m->on_disk = true;
	message_memory_release(m->memory, m->memory_bytes);
	m->memory_bytes = 0;
	return 0;
}

/* Whether the next n bytes may stay in memory; then they count. */
static bool
fits_in_memory(struct message_file *m, uint64_t n)
{
	if (m->size_bytes + n > MESSAGE_IN_MEMORY || !memory_take(m->memory, n))
		return false;
	m->memory_bytes += n;
	return true;
}

static int
write_waiting(struct message_file *m)
{
	size_t n = m->waiting.len;

	if (n == 0)
		return 0;
	if (!m->on_disk && !fits_in_memory(m, n) && move_to_disk(m) == -1)
		return -1;
	if (memfile_write(m->fd, buf_bytes(&m->waiting)) == -1)
		return -1;
	m->size_bytes += n;
	buf_clear(&m->waiting);
	return 0;
}

int
message_file_write(struct message_file *m, struct bytes text)
{
	buf_add_bytes(&m->waiting, text);
	if (m->waiting.failed) {
		errno = ENOMEM;
		return -1;
	}
	return m->waiting.len < WRITE_AT ? 0 : write_waiting(m);
}

int
message_file_seal(struct message_file *m)
{
	if (write_waiting(m) == -1)
		return -1;
	buf_finish(&m->waiting);
	/* A file on disk has no seals: its receiver copies it. */
	return m->on_disk ? 0 : memfile_seal(m->fd);
}

static void
drop_file(struct message_file *m)
{
	if (m->memory == NULL)
		return;
	if (m->fd != -1)
		close(m->fd);
	buf_finish(&m->waiting);
}

uint64_t
message_file_pass(struct message_file *m)
{
	uint64_t bytes = m->memory_bytes;

	drop_file(m);
	*m = (struct message_file){ .fd = -1 };
	return bytes;
}

void
message_file_close(struct message_file *m)
{
	struct message_memory *memory = m->memory;

	if (memory)
		message_memory_release(memory, message_file_pass(m));
}
