/*
 * The accounts of Ampel's programs, one privilege each (DESIGN section 2), and the
 * folders that belong to them.
 */
#ifndef AMPEL_AMPEL_ACCOUNTS_H
#define AMPEL_AMPEL_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/config.h"
#include "mail/paths.h"
#include "proto/message.h"

enum { ACCOUNT_NAME = 64 };

/*
 * The account of ours that an instance of a role runs as; instance is the listener's name,
 * or means nothing. False: a user's own (deliver, mailbox), or root.
 */
bool account_of(const struct config *config, enum peer_role role,
    struct bytes instance, char name[ACCOUNT_NAME]);
/* Whether that role is to stay root: auth, for PAM or when it is written out. */
bool account_is_root(const struct config *config, enum peer_role role);

/* False: there is no such account, or it is root. */
bool account_find(const char *name, uint32_t *uid, uint32_t *gid);

/*
 * Whether an account can pass all folders above path: a folder such as /root lets
 * nobody through. False: blocked is the one that does not.
 */
bool account_can_reach(const char *path, uint32_t uid, uint32_t gid,
    char *blocked, size_t size);

/*
 * Whether every account is there that the configuration needs. False with a line that
 * says what to do.
 */
bool accounts_check(const struct config *config, char *error, size_t size);

/*
 * Make the folders of DESIGN section 9 with their owners (the caller when as_root is
 * false). False with a line in error, also when an account could not reach its own.
 */
bool accounts_make_folders(
    const struct config *config, bool as_root, char *error, size_t size);

/* The folder of an instance's own. False: it has none. */
bool account_folder(const struct config *config, enum peer_role role,
    struct bytes instance, char path[PATHS_MAX]);

#endif
