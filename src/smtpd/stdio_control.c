#include "smtpd/stdio_control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "proto/qmail_control.h"

enum {
	TIMEOUT_S = 1200,
	TIMEOUT_MAX_S = 24 * 60 * 60,
	GREETING_MAX = 255,
};

static const char *const names[CONTROL_FILES] = {
	[CONTROL_ME] = "me",
	[CONTROL_SMTPGREETING] = "smtpgreeting",
	[CONTROL_LOCALIPHOST] = "localiphost",
	[CONTROL_TIMEOUTSMTPD] = "timeoutsmtpd",
	[CONTROL_DATABYTES] = "databytes",
	[CONTROL_RCPTHOSTS] = "rcpthosts",
	[CONTROL_BADMAILFROM] = "badmailfrom",
};

static const char more_name[] = "morercpthosts.cdb";

/* "FOLDER/NAME", or what is wrong with that. */
static bool
make_path(char path[PATH_MAX], const char *folder, const char *name)
{
	int n = snprintf(path, PATH_MAX, "%s/%s", folder, name);

	if (n > 0 && n < PATH_MAX)
		return true;
	errno = ENAMETOOLONG;
	return false;
}

static bool
complain(const char *folder, const char *name, const char *what, char *why,
    size_t size)
{
	snprintf(why, size, "%s/%s: %s", folder, name, what);
	return false;
}

/* A file that is not there is empty; *is_there tells. */
static bool
read_file(struct buf *text, const char *folder, const char *name, bool *is_there,
    char *why, size_t size)
{
	char path[PATH_MAX];

	buf_init(text, QMAIL_CONTROL_MAX);
	*is_there = make_path(path, folder, name) && file_read(path, text, NULL) == 0;
	return *is_there || errno == ENOENT ||
	    complain(folder, name, strerror(errno), why, size);
}

static bool
read_files(struct stdio_control *c, const char *folder, char *why, size_t size)
{
	bool is_there = false;

	for (size_t i = 0; i < CONTROL_FILES; i++) {
		if (!read_file(&c->text[i], folder, names[i], &is_there, why, size))
			return false;
		if (i == CONTROL_RCPTHOSTS)
			c->has_rcpthosts = is_there;
	}
	return true;
}

/* --- morercpthosts.cdb --- */

/* It stays where it is, for the whole session, whatever becomes of descriptors. */
static bool
map(struct stdio_control *c, const char *path)
{
	int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	void       *p = MAP_FAILED;

	if (fd == -1)
		return false;
	if (fstat(fd, &st) == 0) {
		errno = EINVAL;
		if (S_ISREG(st.st_mode) && st.st_size > 0)
			p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
			    fd, 0);
	}
	close(fd);
	if (p == MAP_FAILED)
		return false;
	c->mapped = p;
	c->mapped_bytes = (size_t)st.st_size;
	return true;
}

static bool
open_more(struct stdio_control *c, const char *folder, char *why, size_t size)
{
	char path[PATH_MAX];

	if (!make_path(path, folder, more_name) || !map(c, path))
		return errno == ENOENT ||
		    complain(folder, more_name, strerror(errno), why, size);
	return constant_db_open(&c->morercpthosts,
	           (struct bytes){ c->mapped, c->mapped_bytes }) ||
	    complain(folder, more_name, "is no cdb", why, size);
}

/* --- what they say --- */

static struct bytes
line_of(const struct stdio_control *c, enum stdio_control_file file)
{
	return qmail_control_line(buf_bytes(&c->text[file]));
}

static uint64_t
number_of(const struct stdio_control *c, enum stdio_control_file file,
    uint64_t otherwise)
{
	uint64_t n;

	return qmail_control_number(buf_bytes(&c->text[file]), &n) ? n : otherwise;
}

static struct bytes
one_of(struct bytes a, struct bytes b)
{
	return a.n > 0 ? a : b;
}

/* False: nobody knows what this host is called. */
static bool
interpret(struct stdio_control *c)
{
	struct bytes greeting = bytes_first(line_of(c, CONTROL_SMTPGREETING), GREETING_MAX);
	uint64_t     timeout_s = number_of(c, CONTROL_TIMEOUTSMTPD, TIMEOUT_S);
	uint64_t     databytes = number_of(c, CONTROL_DATABYTES, 0);

	c->hostname = one_of(bytes_first(line_of(c, CONTROL_ME), GREETING_MAX),
	    bytes_first(greeting, bytes_find(greeting, ' ')));
	c->greeting = greeting;
	c->localiphost = one_of(line_of(c, CONTROL_LOCALIPHOST), c->hostname);
	c->timeout_s = timeout_s == 0 ? 1
	    : timeout_s < TIMEOUT_MAX_S ? timeout_s : TIMEOUT_MAX_S;
	c->size_max = databytes > 0 ? databytes : UINT64_MAX;
	c->rcpthosts = buf_bytes(&c->text[CONTROL_RCPTHOSTS]);
	c->badmailfrom = buf_bytes(&c->text[CONTROL_BADMAILFROM]);
	return c->hostname.n > 0;
}

enum stdio_control_result
stdio_control_read(struct stdio_control *c, const char *folder, char *why,
    size_t size)
{
	struct stat st;

	*c = (struct stdio_control){ .timeout_s = TIMEOUT_S };
	if (stat(folder, &st) == -1 && (errno == ENOENT || errno == ENOTDIR))
		return CONTROL_NONE;
	if (!read_files(c, folder, why, size) || !open_more(c, folder, why, size))
		return CONTROL_UNREADABLE;
	if (interpret(c))
		return CONTROL_READ;
	complain(folder, names[CONTROL_ME], "the name of this host is missing", why, size);
	return CONTROL_UNREADABLE;
}

void
stdio_control_finish(struct stdio_control *c)
{
	if (c->mapped)
		munmap(c->mapped, c->mapped_bytes);
	for (size_t i = 0; i < CONTROL_FILES; i++)
		buf_finish(&c->text[i]);
}
