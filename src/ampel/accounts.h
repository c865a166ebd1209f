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

/* The account that a role runs as; NULL: deliver, which has a user's. */
const char *account_name(enum peer_role role);

/* False: there is no such account, or it is root. */
bool account_find(const char *name, uint32_t *uid, uint32_t *gid);

/* Whether every account is there. False with a line that says what to do. */
bool accounts_check(const struct config *config, char *error, size_t size);

/*
 * Make the folders of DESIGN section 9 with their owners (the caller when as_root is
 * false). False with a line in error, also when an account could not reach its own.
 */
bool accounts_make_folders(
    const struct config *config, bool as_root, char *error, size_t size);

/* The folder of a role's own. False: it has none. */
bool account_folder(const struct config *config, enum peer_role role,
    char path[PATHS_MAX]);

#endif
