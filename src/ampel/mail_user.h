/*
 * Who a user is whom a child named: only the supervisor's own reading of the user
 * file, of the system's, or of the file of assignments, says which uid and which home.
 */
#ifndef AMPEL_AMPEL_MAIL_USER_H
#define AMPEL_AMPEL_MAIL_USER_H

#include <stdint.h>

#include "base/bytes.h"
#include "mail/directory.h"
#include "proto/message.h"

struct supervisor;

struct mail_user {
	uint32_t uid, gid; /* never root's */
	char     home[1024];
	char     login[DIRECTORY_USER_MAX + 1]; /* what he is called */
};

/*
 * READY: out is filled in, and we may become that user. Otherwise *why says what is
 * wrong.
 */
enum want_result mail_user_find(const struct supervisor *s, struct bytes user,
    struct mail_user *out, const char **why);

/*
 * The same for a recipient, who may also be the key of an assignment (mail/assignments.h). One that
 * is not in the file is no reason to return mail: lookup, which named him, may know an older one.
 */
enum want_result mail_user_find_recipient(const struct supervisor *s,
    struct bytes name, struct mail_user *out, const char **why);

#endif
