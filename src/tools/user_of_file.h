#ifndef AMPEL_TOOLS_USER_OF_FILE_H
#define AMPEL_TOOLS_USER_OF_FILE_H

#include "tools/user.h"

/* user_find in two files of the formats passwd(5) and shadow(5). user is zeroed before. */
bool user_of_file(struct user *user, struct bytes name, const char *passwd, const char *shadow);

#endif
