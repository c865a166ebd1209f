/*
 * The name that somebody logs in with: "alice", or "alice@example.org" when that is one of
 * our domains. Letters of either case are the same.
 */
#ifndef AMPEL_AUTH_NAME_H
#define AMPEL_AUTH_NAME_H

#include <stdbool.h>

#include "base/bytes.h"
#include "mail/config.h"

enum { NAME_MAX_BYTES = 31 }; /* of passwd_name_is_valid */

/* The user's name as we spell it. False, and "": that can be no user's. */
bool name_of_user(const struct bytes_list *domains, struct bytes typed,
    char out[NAME_MAX_BYTES + 1]);

#endif
