/* `ampel user import-shadow`: passwords from another shadow file; exit codes as in cmd_user.h. */
#ifndef AMPEL_AMPEL_USER_IMPORT_H
#define AMPEL_AMPEL_USER_IMPORT_H

#include <stdbool.h>

#include "ampel/user_files.h"

/*
 * Take the lines of the users that are here and have no hash; with force of the others,
 * too. A line on stdout for each name, what became of it. All are stored, or none.
 */
int user_import(struct user_files *f, const char *file, bool force);

#endif
