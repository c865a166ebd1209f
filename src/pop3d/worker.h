/* What the sessions of one process share. */
#ifndef AMPEL_POP3D_WORKER_H
#define AMPEL_POP3D_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "io/tls.h"
#include "mail/config.h"
#include "pop3d/drop.h"
#include "pop3d/policy.h"
#include "service/auth_client.h"
#include "service/limits.h"
#include "service/listeners.h"
#include "service/lookup_client.h"

struct session;

struct worker {
	uv_loop_t            *loop;
	struct bytes          listener; /* its name */
	struct listeners      listeners;
	struct lookup_client *lookup;
	struct auth_client   *auth;
	struct drops          drops;
	struct limits         limits;
	struct policy        *policy;   /* for sessions to come */
	struct session       *sessions; /* all of them */
	size_t                n_sessions;
	uint64_t              n_logins, n_fetched, n_removed;
	unsigned              n_refused; /* sessions, in this second */
	uv_timer_t            timer;     /* one for all deadlines */
	bool                  is_stopping;
	void                (*ended)(void); /* after worker_stop, the last is gone */
};

/* open_files: how many descriptors this process may have. False: no memory. */
bool worker_init(struct worker *w, uv_loop_t *loop, struct bytes listener,
    size_t open_files, void (*ended)(void));
/*
 * For sessions that begin from now on; the first time, begin to take them. tls stays the
 * caller's.
 */
void worker_use(
    struct worker *w, const struct config *config, struct tls_context *tls);
/* No new sessions; the others end between two commands, and nothing is removed. */
void worker_stop(struct worker *w);

/* By sessions: one more, one fewer. */
void worker_session_began(struct worker *w);
void worker_session_ended(struct worker *w);

#endif
