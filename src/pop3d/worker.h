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
#include "service/clients.h"

struct worker {
	struct clients      clients;
	struct auth_client *auth;
	struct drops        drops;
	struct policy      *policy; /* for sessions to come */
	uint64_t            n_logins, n_fetched, n_removed;
};

/*
 * open_files: how many descriptors this process may have. False: no memory. Stopped by
 * clients_stop: sessions end between two commands, nothing is removed; then the service.
 */
bool worker_init(struct worker *w, uv_loop_t *loop, struct bytes listener,
    size_t open_files);
/*
 * For sessions that begin from now on; the first time, begin to take them. tls stays the
 * caller's.
 */
void worker_use(
    struct worker *w, const struct config *config, struct tls_context *tls);

#endif
