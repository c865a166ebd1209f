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
	PAIR_MAX = 2 * CERTIFICATE_FILE_MAX,
};

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

void
key_pair_finish(struct key_pair *p)
{
	buf_wipe(&p->chain);
	buf_wipe(&p->key);
}

int
key_pair_write(const struct key_pair *p, int fd)
{
	struct buf text;
	int        result = -1;

	buf_init(&text, PAIR_MAX);
	errno = ENOMEM;
	if (certificate_add_pair(buf_bytes(&p->chain), buf_bytes(&p->key), &text))
		result = memfile_write(fd, buf_bytes(&text));
	buf_wipe(&text);
	return result;
}
