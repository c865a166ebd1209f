#include "pop3d/worker.h"

#include "io/log.h"
#include "pop3d/session.h"
#include "service/service.h"

enum {
	SEND_BUFFER_BYTES = 128 * 1024,
	LISTS_BYTES_MAX = 256 * 1024 * 1024,
};

static void
on_emptied(void *context)
{
	(void)context;
	service_end(0);
}

bool
worker_init(struct worker *w, uv_loop_t *loop, struct bytes listener,
    size_t open_files)
{
	*w = (struct worker){
		.auth = auth_client_new(loop),
		.drops = { .loop = loop, .list_bytes_max = LISTS_BYTES_MAX,
		    .ahead_max = open_files / 2 },
	};
	if (w->auth &&
	    clients_init(&w->clients, loop, listener, SEND_BUFFER_BYTES,
	        &session_calls, on_emptied, w))
		return true;
	auth_client_free(w->auth);
	*w = (struct worker){ 0 };
	return false;
}

void
worker_use(
    struct worker *w, const struct config *config, struct tls_context *tls)
{
	struct policy *policy = policy_new(config, tls);

	if (policy) {
		policy_drop(w->policy);
		w->policy = policy;
	} else {
		log_text("no memory for the new configuration");
	}
	if (w->policy)
		clients_open(&w->clients, config->sessions,
		    config->sessions_per_address);
}
