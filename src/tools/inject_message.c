#include "tools/inject_message.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/memfile.h"

enum { PIECE = 8 * 1024 };

static bool
has_8bit(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > 127)
			return true;
	return false;
}

static enum qmail_queue_code
copy(struct inject_message *m, int from, int to)
{
	char piece[PIECE];

	for (;;) {
		ssize_t      n = read(from, piece, sizeof piece);
		struct bytes part = { piece, n > 0 ? (size_t)n : 0 };

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return QMAIL_QUEUE_READ_ERROR;
		if (n == 0)
			return QMAIL_QUEUE_OK;
		if (part.n > INJECT_MESSAGE_MAX - m->text.n)
			return QMAIL_QUEUE_REJECTED;
		if (memfile_write(to, part) == -1)
			return QMAIL_QUEUE_WRITE_ERROR;
		m->has_8bit |= has_8bit(part);
		m->text.n += part.n;
	}
}

static enum qmail_queue_code
map(struct inject_message *m, int fd)
{
	void *p;

	if (m->text.n == 0)
		return QMAIL_QUEUE_OK;
	p = mmap(NULL, m->text.n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return QMAIL_QUEUE_WRITE_ERROR;
	m->text.p = p;
	return QMAIL_QUEUE_OK;
}

enum qmail_queue_code
inject_message_read(struct inject_message *m, int fd)
{
	int                   file = memfile_new("message");
	enum qmail_queue_code code;

	*m = (struct inject_message){ .text = BYTES("") };
	if (file == -1)
		return QMAIL_QUEUE_WRITE_ERROR;
	code = copy(m, fd, file);
	if (code == QMAIL_QUEUE_OK)
		code = map(m, file);
	close(file); /* the mapping stays */
	return code;
}
