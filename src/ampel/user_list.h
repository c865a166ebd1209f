#ifndef AMPEL_AMPEL_USER_LIST_H
#define AMPEL_AMPEL_USER_LIST_H

#include <stdbool.h>

#include "ampel/user_files.h"

/* `ampel user list`: a line for each user; exit codes as in cmd_user.h. */
int user_list(struct user_files *f, bool json);

#endif
