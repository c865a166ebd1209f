/*
 * What a configuration names outside of itself: programs, accounts, the files of users
 * and aliases. Each adds what is wrong; nothing is changed or started.
 */
#ifndef AMPEL_AMPEL_CHECK_NAMED_H
#define AMPEL_AMPEL_CHECK_NAMED_H

#include "base/arena.h"
#include "mail/config.h"
#include "mail/mistakes.h"

/* Programs of filters and helpers, at the lines of their blocks. */
void check_programs(
    const struct config *config, struct arena *arena, struct mistakes *mistakes);

/* Our accounts and those of helpers; they count only when root starts the server. */
void check_accounts(
    const struct config *config, struct arena *arena, struct mistakes *mistakes);

/* The file of users, or of aliases, at path. One that is not there has no mistake. */
void check_passwd(const struct config *config, const char *path,
    struct arena *arena, struct mistakes *mistakes);
void check_aliases(const struct config *config, const char *path,
    struct arena *arena, struct mistakes *mistakes);

#endif
