#ifndef AMPEL_TOOLS_USER_OF_HOST_H
#define AMPEL_TOOLS_USER_OF_HOST_H

#include "tools/user.h"

/* user_find among the users of this host, getpwnam(3) and getspnam(3). user is zeroed before. */
bool user_of_host(struct user *user, struct bytes name);

#endif
