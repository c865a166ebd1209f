#ifndef AMPEL_AMPEL_CMD_USER_H
#define AMPEL_AMPEL_CMD_USER_H

#include "ampel/command.h"

/*
 * `ampel user add NAME | remove NAME | list | passwd NAME | check NAME |
 * import-shadow [--force] FILE`: the files of users, ETC/passwd and ETC/shadow.
 *
 * add makes the mailbox and the lines, without a password; remove takes the
 * lines out and leaves the mail where it lies; list shows name, uid, home and what
 * becomes of a password (--json: an object a line). The others: user_password.h.
 *
 * Exit codes, those of sysexits(3): 0 done; 1 check: no; 64 misuse; 65 no good name or
 * password, or a broken line in a file; 66 no file to import; 67 no such user; 73 the
 * user is there already, or the mailbox or a file cannot be made; 75 the files are
 * locked, or no memory; 78 the configuration does not allow it (users = system), or an
 * account is missing.
 */
int cmd_user(const struct command *c);

#endif
