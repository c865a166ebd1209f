/* The log lines of ampel-pop3d, DESIGN section 11. */
#ifndef AMPEL_POP3D_JOURNAL_H
#define AMPEL_POP3D_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* What somebody did with his maildrop. */
struct journal_session {
	struct bytes peer, user, tls;
	size_t       n_messages; /* that were there */
	uint64_t     n_fetched;
	uint64_t     octets_fetched; /* as they are stored */
	size_t       n_removed, n_failed;
	uint64_t     ms;
};

/* ev=maildrop-failed: the password was right, and there is no maildrop. */
void journal_maildrop_failed(struct bytes peer, struct bytes user);
/* ev=pop3: a session with a maildrop is over. */
void journal_session(const struct journal_session *session);

#endif
