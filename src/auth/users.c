#include "auth/users.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/file.h"
#include "io/log.h"
#include "proto/passwd.h"

enum { ENTRIES_MAX_BYTES = 256 * 1024 * 1024 };

void
users_init(struct users *u, const char *path)
{
	*u = (struct users){ .is_read = false };
	snprintf(u->path, sizeof u->path, "%s", path);
	buf_init(&u->text, PASSWD_FILE_MAX);
	arena_init(&u->arena, ENTRIES_MAX_BYTES);
}

/* Nobody is known any more. */
static void
forget(struct users *u)
{
	u->is_read = false;
	u->like = BYTES("");
	table_finish(&u->by_name);
	arena_reset(&u->arena);
	buf_finish(&u->text);
}

void
users_finish(struct users *u)
{
	forget(u);
	arena_finish(&u->arena);
}

/* Once, until something else is wrong or all is well. */
static void __attribute__((format(printf, 2, 3)))
complain(struct users *u, const char *format, ...)
{
	char    text[sizeof u->said];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (strcmp(text, u->said) == 0)
		return;
	memcpy(u->said, text, sizeof text);
	log_text("%s: %s", u->path, text);
}

static bool
add(struct users *u, const struct shadow_entry *entry)
{
	struct shadow_entry *copy = arena_alloc(&u->arena, sizeof *copy);

	if (copy == NULL)
		return false;
	*copy = *entry;
	if (u->like.n == 0 && !shadow_is_locked(entry))
		u->like = entry->hash;
	/* of two lines for one user the first counts, as in getspnam(3) */
	return table_add(&u->by_name, entry->name, copy) != TABLE_NO_MEMORY;
}

/* A line that is none does not keep the others out. */
static bool
parse(struct users *u)
{
	struct bytes        rest = buf_bytes(&u->text);
	struct shadow_entry entry;
	unsigned            line = 0, broken = 0;

	while (shadow_next(&rest, &entry, &line))
		if (entry.name.n == 0)
			broken = broken ? broken : line;
		else if (!add(u, &entry))
			return false;
	if (broken)
		complain(u, "line %u is none of shadow(5) and does not count",
		    broken);
	else
		u->said[0] = '\0';
	return true;
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    /* who may read it is a change too */
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static const char *
reason(int error)
{
	switch (error) {
	case ENOENT:
		return "there is none; \"ampel user passwd\" makes it";
	case EPERM:
		return "others may read or write it; it does not count until "
		       "\"chmod o= FILE\"";
	case ELOOP:
		return "a symbolic link does not count";
	default:
		return strerror(error);
	}
}

bool
users_refresh(struct users *u)
{
	struct stat now;

	if (u->is_read && lstat(u->path, &now) == 0 && is_same(&now, &u->seen))
		return true;
	forget(u);
	if (file_read_secret(u->path, &u->text, &u->seen) == -1)
		complain(u, "%s", reason(errno));
	else if (!parse(u))
		complain(u, "no memory");
	else
		u->is_read = true;
	return u->is_read;
}

const struct shadow_entry *
users_find(const struct users *u, struct bytes name)
{
	return table_find(&u->by_name, name);
}
