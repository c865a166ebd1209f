/* What the sessions of one process share. */
#ifndef AMPEL_SMTPD_WORKER_H
#define AMPEL_SMTPD_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "io/tls.h"
#include "mail/config.h"
#include "service/auth_client.h"
#include "service/limits.h"
#include "service/listeners.h"
#include "service/lookup_client.h"
#include "smtpd/commit.h"
#include "smtpd/message.h"
#include "smtpd/policy.h"

struct session;

struct worker {
	uv_loop_t            *loop;
	struct bytes          listener; /* its name */
	struct listeners      listeners;
	struct lookup_client *lookup;
	struct auth_client   *auth;
	struct commits        commits;
	struct message_memory memory;
	struct limits         limits;
	struct policy        *policy;   /* for sessions to come */
	struct session       *sessions; /* all of them */
	size_t                n_sessions;
	unsigned              n_refused; /* sessions, in this second */
	uv_timer_t            timer;     /* one for all deadlines */
	bool                  is_stopping;
	void                (*ended)(void); /* after worker_stop, the last is gone */
};

/* directory: for large messages, or NULL. False: no memory. */
bool worker_init(struct worker *w, uv_loop_t *loop, struct bytes listener,
    const char *directory, void (*ended)(void));
/*
 * For sessions that begin from now on; the first time, begin to take them. tls may be
 * NULL, and stays the caller's.
 */
void worker_use(
    struct worker *w, const struct config *config, struct tls_context *tls);
/* No new sessions; those that are idle end, the others after their message. */
void worker_stop(struct worker *w);

/* By sessions: one more, one fewer. */
void worker_session_began(struct worker *w);
void worker_session_ended(struct worker *w);

#endif
