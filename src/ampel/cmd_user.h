#ifndef AMPEL_AMPEL_CMD_USER_H
#define AMPEL_AMPEL_CMD_USER_H

#include "ampel/command.h"

/*
 * `ampel user add NAME | remove NAME | list`: the file of users, ETC/passwd.
 *
 * add makes the mailbox first, then the line; remove takes the line out and leaves
 * the mail where it lies; list shows name, uid and home (--json: an object a line).
 *
 * Exit codes, those of sysexits(3): 0 done; 64 misuse; 65 no good name, or a broken
 * line in the file; 67 no such user; 73 the user is there already, or the mailbox
 * or the file cannot be made; 75 the file is locked; 78 the configuration does
 * not allow it (users = system, no account _ampelmail).
 */
int cmd_user(const struct command *c);

#endif
