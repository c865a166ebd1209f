#include "smtpd/worker.h"

#include "io/clock.h"
#include "io/log.h"
#include "smtpd/session.h"

enum {
	TICK_MS = 1000,
	SEND_BUFFER_BYTES = 32 * 1024, /* replies are short */
};

static void
end_if_last(struct worker *w)
{
	if (w->is_stopping && w->n_sessions == 0 && w->commits.n_open == 0)
		w->ended();
}

static void
on_commits_emptied(void *context)
{
	end_if_last(context);
}

static bool
on_client(uv_stream_t *listening, void *context)
{
	return session_begin(context, listening);
}

bool
worker_init(struct worker *w, uv_loop_t *loop, struct bytes listener,
    const char *directory, void (*ended)(void))
{
	uint64_t seed;

	random_fill(&seed, sizeof seed);
	*w = (struct worker){
		.loop = loop,
		.listener = listener,
		.listeners = { loop, on_client, w, SEND_BUFFER_BYTES, false, NULL },
		.lookup = lookup_client_new(loop),
		.auth = auth_client_new(loop),
		.commits = { .door = submit_client_new(loop),
		    .emptied = on_commits_emptied, .context = w },
		.memory = { .directory = directory },
		.ended = ended,
	};
	limits_init(&w->limits, seed);
	if (w->lookup == NULL || w->auth == NULL || w->commits.door == NULL) {
		lookup_client_free(w->lookup);
		auth_client_free(w->auth);
		submit_client_free(w->commits.door);
		*w = (struct worker){ 0 };
		return false;
	}
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	return true;
}

/*
 * Two thousand sessions are looked at in less time than a timer for each would take
 * to be moved at every command.
 */
static void
on_tick(uv_timer_t *timer)
{
	struct worker *w = timer->data;

	w->n_refused = 0;
	sessions_check_deadlines(w->sessions, clock_monotonic_ms());
	listeners_retry(&w->listeners);
}

void
worker_use(
    struct worker *w, const struct config *config, struct tls_context *tls)
{
	struct policy *policy = policy_new(config, w->listener, tls);

	if (policy) {
		policy_drop(w->policy);
		w->policy = policy;
	} else {
		log_text("no memory for the new configuration");
	}
	w->memory.max = config->message_memory;
	limits_set(&w->limits, config->sessions, config->sessions_per_address);
	if (w->policy && !w->is_stopping) {
		uv_timer_start(&w->timer, on_tick, TICK_MS, TICK_MS);
		listeners_open(&w->listeners);
	}
}

void
worker_stop(struct worker *w)
{
	if (w->is_stopping)
		return;
	w->is_stopping = true;
	listeners_close(&w->listeners);
	w->n_sessions++; /* not the last one before all were told */
	sessions_shut_down(w->sessions);
	w->n_sessions--;
	end_if_last(w);
}

void
worker_session_began(struct worker *w)
{
	w->n_sessions++;
}

void
worker_session_ended(struct worker *w)
{
	w->n_sessions--;
	end_if_last(w);
}
