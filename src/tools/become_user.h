#ifndef AMPEL_TOOLS_BECOME_USER_H
#define AMPEL_TOOLS_BECOME_USER_H

#include <stdbool.h>

#include "tools/user.h"

/*
 * Groups, gid and uid of that user for good, USER HOME SHELL, and its home as the working
 * directory. False: not all of it; the process must then end.
 */
bool become_user(const struct user *user);

#endif
