/* The home of a user of ours: a folder with an empty Maildir in it. */
#ifndef AMPEL_AMPEL_HOME_H
#define AMPEL_AMPEL_HOME_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { HOME_ERROR = 256 };

struct home {
	const char *path;      /* absolute */
	uid_t       uid;
	gid_t       gid;
	bool        was_there; /* set: mail of an earlier user may be in it */
};

/*
 * Make path (0700) with Maildir/tmp, new and cur, and give them to uid and gid.
 * What is there already stays; a link, or what is somebody else's, is an
 * error. False with a text.
 */
bool home_make(struct home *home, char *error, size_t size);

#endif
