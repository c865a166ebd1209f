/*
 * What a configuration names outside of itself: programs, accounts, certificates, passwords
 * of routes, the files of users, passwords, aliases and rules, and those of qmail. Each adds what
 * is wrong; nothing is changed or started.
 */
#ifndef AMPEL_AMPEL_CHECK_NAMED_H
#define AMPEL_AMPEL_CHECK_NAMED_H

#include "base/arena.h"
#include "mail/config.h"
#include "mail/mistakes.h"

/* Programs of filters and helpers, at the lines of their blocks; who checks passwords. */
void check_programs(
    const struct config *config, struct arena *arena, struct mistakes *mistakes);

/* Our accounts and those of helpers; they count only when root starts the server. */
void check_accounts(
    const struct config *config, struct arena *arena, struct mistakes *mistakes);

/* Certificates and keys, at the lines of their tls blocks. */
void check_tls(
    const struct config *config, struct arena *arena, struct mistakes *mistakes);
/* Warnings: listeners to which no tls block applies. */
void check_self_signed(
    const struct config *config, struct arena *arena, struct mistakes *warnings);

/*
 * Password files of routes, at the lines of their blocks; certificates of authorities; the
 * files of the dns block.
 */
void check_routes(
    const struct config *config, struct arena *arena, struct mistakes *mistakes);
/* Warnings: routes to addresses that are to prove a name. */
void check_proofs(
    const struct config *config, struct arena *arena, struct mistakes *warnings);

/*
 * The file of users, of passwords, or of aliases, at path. One that is not there has no
 * mistake.
 */
void check_passwd(const struct config *config, const char *path,
    struct arena *arena, struct mistakes *mistakes);
void check_shadow(const struct config *config, const char *path,
    struct arena *arena, struct mistakes *mistakes);
void check_aliases(const struct config *config, const char *path,
    struct arena *arena, struct mistakes *mistakes);
/* The files of rules that the configuration names, each once, at most max. How many. */
size_t check_rules_files(
    const struct config *config, struct bytes *out, size_t max);
void check_rules(const struct config *config, const char *path,
    struct arena *arena, struct mistakes *mistakes);
/* The same of virtual_domains and assign, which have to be there. */
void check_virtual_domains(const struct config *config, const char *path,
    struct arena *arena, struct mistakes *mistakes);
void check_assign(const struct config *config, const char *path,
    struct arena *arena, struct mistakes *mistakes);
/* Whom alias_user names. */
void check_alias_user(
    const struct config *config, struct arena *arena, struct mistakes *mistakes);
/* Notes: users of the file at path who could log in, had they a password. */
void check_passwordless(const struct config *config, const char *path,
    struct arena *arena, struct mistakes *notes);
/* A warning: nobody of the users of the host can log in. */
void check_system_passwords(
    const struct config *config, struct arena *arena, struct mistakes *warnings);

#endif
