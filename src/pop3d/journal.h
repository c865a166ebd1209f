/* The log lines of ampel-pop3d, DESIGN section 11. */
#ifndef AMPEL_POP3D_JOURNAL_H
#define AMPEL_POP3D_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "proto/message.h"

/* What somebody did with his maildrop. */
struct journal_session {
	struct bytes peer, user, tls;
	size_t       n_messages; /* that were there */
	uint64_t     n_fetched;
	uint64_t     octets_fetched; /* as they are stored */
	size_t       n_removed, n_failed;
	uint64_t     ms;
};

/* What came of a password; ampel-auth logs the same where it has checked it. */
struct journal_login {
	struct bytes         peer, user;
	enum password_answer answer;
	struct bytes         why; /* of try later */
	uint64_t             ms;
};

/* ev=login */
void journal_login(const struct journal_login *login);
/* ev=maildrop-failed: the password was right, and there is no maildrop. */
void journal_maildrop_failed(struct bytes peer, struct bytes user);
/* ev=pop3: a session with a maildrop is over. */
void journal_session(const struct journal_session *session);

#endif
