/*
 * The shadow file as it is now: read again whenever it is another. It is found out at each
 * question by one look at the file, so a changed password counts at once.
 */
#ifndef AMPEL_AUTH_USERS_H
#define AMPEL_AUTH_USERS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/table.h"
#include "mail/paths.h"
#include "proto/shadow.h"

struct users {
	char         path[PATHS_MAX];
	bool         is_read;
	struct stat  seen;    /* of the file that was read */
	struct buf   text;
	struct arena arena;   /* the entries, which borrow from text */
	struct table by_name; /* so that who is last in the file takes no longer */
	struct bytes like;    /* the first hash that is one; may be empty */
	char         said[256]; /* the last complaint, to log it once */
};

void users_init(struct users *u, const char *path);
void users_finish(struct users *u);

/*
 * Look at the file. False: who is a user cannot be said, a line was logged. So it is when
 * the file is missing, or others than its owner and group may read or write it.
 */
bool users_refresh(struct users *u);

/* NULL: there is no such user. Until the next refresh. */
const struct shadow_entry *users_find(const struct users *u, struct bytes name);

#endif
