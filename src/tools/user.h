/* The user of a login: of Ampel's own files, or where these are not, of this host. */
#ifndef AMPEL_TOOLS_USER_H
#define AMPEL_TOOLS_USER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"

enum { USER_NAME_MAX = 256, USER_HASH_MAX = 512 };

struct user {
	char  name[USER_NAME_MAX];
	char  home[PATH_MAX];
	char  shell[PATH_MAX];
	uid_t uid;
	gid_t gid;
	bool  is_of_host;          /* its other groups are in group(5) */
	bool  may_enter;           /* with the right password, and not as root */
	char  hash[USER_HASH_MAX]; /* "" or not: a check of it takes the usual time */
};

/*
 * An unknown one is a user that may not enter. False: the files cannot be read or can be
 * changed by others, no memory. The owner wipes user.
 */
bool user_find(struct user *user, struct bytes name);

/* Fill in all but the hash. False: it does not fit. */
bool user_set(struct user *user, struct bytes name, struct bytes home, struct bytes shell);

#endif
