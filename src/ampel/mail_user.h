/*
 * Who a user is whom a child named: only the supervisor's own reading of the user
 * file, or of the system's, says which uid and which home.
 */
#ifndef AMPEL_AMPEL_MAIL_USER_H
#define AMPEL_AMPEL_MAIL_USER_H

#include <stdint.h>

#include "base/bytes.h"
#include "proto/message.h"

struct supervisor;

struct mail_user {
	uint32_t uid, gid; /* never root's */
	char     home[1024];
};

/*
 * READY: out is filled in, and we may become that user. Otherwise *why says what is
 * wrong.
 */
enum want_result mail_user_find(const struct supervisor *s, struct bytes user,
    struct mail_user *out, const char **why);

#endif
