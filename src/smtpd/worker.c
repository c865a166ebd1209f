#include "smtpd/worker.h"

#include "io/log.h"
#include "service/service.h"
#include "smtpd/session.h"

enum { SEND_BUFFER_BYTES = 32 * 1024 }; /* replies are short */

static void
end_if_last(void *context)
{
	struct worker *w = context;

	if (w->clients.is_stopping && w->clients.n == 0 && w->commits.n_open == 0)
		service_end(0);
}

bool
worker_init(struct worker *w, uv_loop_t *loop, struct bytes listener,
    const char *directory)
{
	*w = (struct worker){
		.auth = auth_client_new(loop),
		.commits = { .door = submit_client_new(loop),
		    .emptied = end_if_last, .context = w },
		.memory = { .directory = directory },
	};
	if (w->auth && w->commits.door &&
	    clients_init(&w->clients, loop, listener, SEND_BUFFER_BYTES,
	        &session_calls, end_if_last, w))
		return true;
	auth_client_free(w->auth);
	submit_client_free(w->commits.door);
	*w = (struct worker){ 0 };
	return false;
}

void
worker_use(
    struct worker *w, const struct config *config, struct tls_context *tls)
{
	struct policy *policy = policy_new(config, w->clients.listener, tls);

	if (policy) {
		policy_drop(w->policy);
		w->policy = policy;
	} else {
		log_text("no memory for the new configuration");
	}
	w->memory.max = config->message_memory;
	if (w->policy)
		clients_open(&w->clients, config->sessions,
		    config->sessions_per_address);
}
