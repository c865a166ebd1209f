/* What the sessions of one process share. */
#ifndef AMPEL_SMTPD_WORKER_H
#define AMPEL_SMTPD_WORKER_H

#include <stdbool.h>
#include <uv.h>

#include "io/tls.h"
#include "mail/config.h"
#include "service/auth_client.h"
#include "service/clients.h"
#include "smtpd/commit.h"
#include "smtpd/message.h"
#include "smtpd/policy.h"

struct worker {
	struct clients        clients;
	struct auth_client   *auth;
	struct commits        commits;
	struct message_memory memory;
	struct policy        *policy; /* for sessions to come */
};

/*
 * directory: for large messages, or NULL. False: no memory. Stopped by clients_stop: those
 * that are idle end, the others after their message, then the service.
 */
bool worker_init(struct worker *w, uv_loop_t *loop, struct bytes listener,
    const char *directory);
/*
 * For sessions that begin from now on; the first time, begin to take them. tls may be
 * NULL, and stays the caller's.
 */
void worker_use(
    struct worker *w, const struct config *config, struct tls_context *tls);

#endif
