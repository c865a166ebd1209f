#include "mailbox/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/maildir_name.h"

enum { ROOM_BYTES = 256 * 1024 }; /* some thousand names a call */

static bool
is_regular(int folder, const struct dirent64 *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_REG;
	return fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode);
}

static bool
is_message(int folder, const struct dirent64 *entry, struct bytes name)
{
	return name.n > 0 && name.n <= NAME_MAX && name.p[0] != '.' &&
	    maildir_name_base(name).n > 0 && is_regular(folder, entry);
}

/* The entries of one call. False: enough. */
static bool
meet(int folder, const char *p, size_t n, scan_met *met, void *context)
{
	const char *end = p + n;

	while (p < end) {
		const struct dirent64 *entry = (const void *)p;
		struct bytes           name = bytes_of(entry->d_name);

		if (is_message(folder, entry, name) && !met(name, context))
			return false;
		p += entry->d_reclen;
	}
	return true;
}

int
scan_folder(int folder, scan_met *met, void *context)
{
	char   *room = malloc(ROOM_BYTES);
	ssize_t got;

	if (room == NULL || lseek(folder, 0, SEEK_SET) == -1) {
		free(room);
		return -1;
	}
	while ((got = getdents64(folder, room, ROOM_BYTES)) > 0)
		if (!meet(folder, room, (size_t)got, met, context))
			break;
	free(room); /* keeps errno */
	return got < 0 ? -1 : 0;
}
