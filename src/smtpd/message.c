#include "smtpd/message.h"

#include <unistd.h>

#include "io/memfile.h"

void
message_init(struct message *m)
{
	*m = (struct message){ .fd = -1 };
	buf_init(&m->pending, MESSAGE_PENDING_MAX);
}

static void
release_memory(struct message *m)
{
	if (m->memory)
		m->memory->used -= m->charged;
	m->charged = 0;
}

void
message_handed_on(struct message *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

void
message_drop(struct message *m)
{
	message_handed_on(m);
	release_memory(m);
	buf_finish(&m->pending);
	message_init(m);
}

static bool
has_memory(const struct message *m, size_t n)
{
	return m->size_bytes + n <= MESSAGE_IN_MEMORY_MAX &&
	    m->memory->used < m->memory->max &&
	    n <= m->memory->max - m->memory->used;
}

/* What is in the memory file moves; what is pending follows. */
static bool
move_to_disk(struct message *m)
{
	uint64_t written = m->size_bytes - m->pending.len;
	int      disk = -1;

	if (m->memory->directory)
		disk = memfile_new_on_disk(m->memory->directory);
	if (disk < 0)
		return false;
	if (m->fd >= 0 && memfile_copy(m->fd, written, disk) != 0) {
		close(disk);
		return false;
	}
	message_handed_on(m);
	release_memory(m);
	m->fd = disk;
	m->is_on_disk = true;
	return true;
}

bool
message_open(struct message *m, struct message_memory *memory)
{
	message_drop(m);
	m->memory = memory;
	m->fd = has_memory(m, 1) ? memfile_new("message") : -1;
	return m->fd >= 0 || move_to_disk(m);
}

static bool
write_pending(struct message *m)
{
	if (m->pending.len > 0 &&
	    memfile_write(m->fd, buf_bytes(&m->pending)) != 0)
		return false;
	buf_clear(&m->pending);
	return true;
}

/* The part lies in front of us in memory already; it is copied to save writes. */
static bool
append(struct message *m, struct bytes part)
{
	if (part.n > m->pending.max - m->pending.len && !write_pending(m))
		return false;
	if (part.n > m->pending.max) {
		m->size_bytes += part.n;
		return memfile_write(m->fd, part) == 0;
	}
	buf_add_bytes(&m->pending, part);
	m->size_bytes += part.n;
	return !m->pending.failed;
}

bool
message_add(struct message *m, struct bytes part)
{
	if (m->fd < 0)
		return false;
	if (!m->is_on_disk && has_memory(m, part.n)) {
		m->memory->used += part.n;
		m->charged += part.n;
	} else if (!m->is_on_disk && !move_to_disk(m)) {
		message_drop(m);
		return false;
	}
	if (append(m, part))
		return true;
	message_drop(m);
	return false;
}

bool
message_seal(struct message *m)
{
	if (m->fd >= 0 && write_pending(m) &&
	    (m->is_on_disk || memfile_seal(m->fd) == 0)) {
		buf_finish(&m->pending);
		return true;
	}
	message_drop(m);
	return false;
}
