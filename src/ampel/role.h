/*
 * What each role is: its program, what that is told of the configuration, and which
 * listeners need it.
 */
#ifndef AMPEL_AMPEL_ROLE_H
#define AMPEL_AMPEL_ROLE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "mail/config.h"
#include "proto/message.h"

/* "ampel-smtpd" and "smtpd". */
const char      *role_program(enum peer_role role);
const char      *role_name(enum peer_role role);
enum config_part role_part(enum peer_role role);
/* Whether it reads what strangers send: it runs in a chroot. */
bool             role_is_jailed(enum peer_role role);
/* Whether one instance serves one listener, and has its sockets and its keys. */
bool             role_is_listener(enum peer_role role);

/* The role that serves a listener: ROLE_SMTPD or ROLE_POP3D. */
enum peer_role role_of_listener(struct bytes listener);
/* Whether passwords are taken there. */
bool           role_needs_auth(struct bytes listener);
/* Whether all who are heard there are known: by a password, or as accounts of this host. */
bool           role_has_users(struct bytes listener);

/* Whether the configuration has a listener of that role, for users or for strangers. */
bool role_is_served(
    const struct config *config, enum peer_role role, bool has_users);
/* Whether any listener takes passwords. */
bool role_is_auth_needed(const struct config *config);

#endif
