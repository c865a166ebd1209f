/*
 * What the supervisor gives to a program beside its configuration, and to no other: to the
 * workers of a listener its keys and certificates, to ampel-remote the passwords of routes.
 * Root reads them once, at start and reload, into sealed memory files: a program that is
 * restarted gets what was read, not what the files have become.
 */
#ifndef AMPEL_AMPEL_SECRETS_H
#define AMPEL_AMPEL_SECRETS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "mail/config.h"
#include "proto/message.h"

struct secrets;
struct tls_keys;

/* old: those in use, from which ticket keys come; NULL: none. NULL with a line in error. */
struct secrets *secrets_load(const struct config *config,
    const struct secrets *old, char *error, size_t size);
/* NULL is allowed. */
void            secrets_free(struct secrets *s);

const struct tls_keys *secrets_keys(const struct secrets *s);

/*
 * The memory file for an instance of that role and name, with the ticket key of a listener; both
 * stay theirs. -1: there is none.
 */
int secrets_find(const struct secrets *s, enum peer_role role,
    struct bytes name, struct bytes *ticket_key);

#endif
