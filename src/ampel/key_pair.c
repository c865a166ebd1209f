#include "ampel/key_pair.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "io/memfile.h"

enum {
	PATH_TEXT = 4096,
	/* What file_read asks room for at once: a larger buffer would be moved, and what
	 * it leaves behind is not wiped. */
	KEY_FILE_MAX = 64 * 1024,
};

/* --- files --- */

static bool
read_file(struct bytes path, struct buf *b, struct stat *st, char *error,
    size_t size)
{
	char name[PATH_TEXT];

	if (!bytes_to_string(path, name, sizeof name))
		errno = ENAMETOOLONG;
	else if (file_read(name, b, st) == 0)
		return true;
	snprintf(error, size, "%.*s: %s", BYTES_ARG(path),
	    errno == EINVAL ? "is not a file" : strerror(errno));
	return false;
}

static bool
is_of_key(enum certificate_fault fault)
{
	return fault == CERTIFICATE_KEY_UNREADABLE ||
	    fault == CERTIFICATE_KEY_MISMATCH || fault == CERTIFICATE_KEY_WEAK;
}

bool
key_pair_read(struct key_pair *p, struct bytes certificate, struct bytes key,
    uint64_t now_ms, char *error, size_t size)
{
	enum certificate_fault fault;
	struct bytes           guilty;

	*p = (struct key_pair){ 0 };
	buf_init(&p->chain, CERTIFICATE_FILE_MAX);
	buf_init(&p->key, KEY_FILE_MAX);
	if (!read_file(certificate, &p->chain, NULL, error, size) ||
	    !read_file(key, &p->key, &p->key_file, error, size))
		return false;
	fault = certificate_check(buf_bytes(&p->chain), buf_bytes(&p->key),
	    now_ms, &p->certificate);
	p->is_untimely =
	    fault == CERTIFICATE_EXPIRED || fault == CERTIFICATE_NOT_YET;
	guilty = is_of_key(fault) ? key : certificate;
	if (fault != CERTIFICATE_FINE)
		snprintf(error, size, "%.*s: %s", BYTES_ARG(guilty),
		    certificate_fault_text(fault));
	return fault == CERTIFICATE_FINE || p->is_untimely;
}

static void
wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_finish(b);
}

void
key_pair_finish(struct key_pair *p)
{
	wipe(&p->chain);
	wipe(&p->key);
}

/* --- what stands in them --- */

static bool
begins_with(struct bytes text, struct bytes start)
{
	return bytes_equal(bytes_first(text, start.n), start);
}

static bool
contains(struct bytes text, struct bytes part)
{
	for (; text.n >= part.n; text = bytes_from(text, 1))
		if (begins_with(text, part))
			return true;
	return false;
}

/*
 * The next block of PEM whose first line holds that label, out of text and with its
 * line ends; empty: no more.
 */
static struct bytes
next_block(struct bytes *text, struct bytes label)
{
	const char  *start = NULL;
	struct bytes line;

	while (bytes_split(text, '\n', &line)) {
		if (begins_with(line, BYTES("-----BEGIN ")) &&
		    contains(line, label))
			start = line.p;
		if (start && begins_with(line, BYTES("-----END ")))
			return (struct bytes){ start,
				(size_t)(line.p + line.n - start) };
	}
	return (struct bytes){ 0 };
}

static int
write_block(int fd, struct bytes block)
{
	return memfile_write(fd, block) == 0 ? memfile_write(fd, BYTES("\n")) : -1;
}

int
key_pair_write(const struct key_pair *p, int fd)
{
	struct bytes text = buf_bytes(&p->key), block;

	if (write_block(fd, next_block(&text, BYTES("PRIVATE KEY-----"))) == -1)
		return -1;
	text = buf_bytes(&p->chain);
	for (;;) {
		block = next_block(&text, BYTES("CERTIFICATE-----"));
		if (block.n == 0)
			return 0;
		if (write_block(fd, block) == -1)
			return -1;
	}
}
