/* The verbs of `ampel user` about passwords; exit codes as in cmd_user.h. */
#ifndef AMPEL_AMPEL_USER_PASSWORD_H
#define AMPEL_AMPEL_USER_PASSWORD_H

#include "ampel/user_files.h"
#include "base/bytes.h"
#include "proto/shadow.h"

/* passwd NAME: ask for a new password and set it, from today. */
int user_password_set(struct user_files *f, struct bytes name);

/* check NAME: ask, and say whether that is the one which opens. */
int user_password_check(struct user_files *f, struct bytes name);

/* What becomes of a password today: "set", "none" (entry may be NULL), "locked", ... */
const char *user_password_state(const struct shadow_entry *entry);

/*
 * The user's line without a password, in place of what an earlier one of that name left
 * behind. The files are locked.
 */
int user_password_add_none(struct user_files *f, struct bytes name);
/* Take the user's line out. The files are locked. */
int user_password_remove(struct user_files *f, struct bytes name);

#endif
