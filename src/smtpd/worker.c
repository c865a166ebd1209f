#include "smtpd/worker.h"

#include <stdlib.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "smtpd/handover.h"
#include "smtpd/session.h"

enum { BACKLOG = 512, TICK_MS = 1000 };

struct listener {
	uv_tcp_t         tcp; /* first: the handle is the listener */
	struct worker   *worker;
	struct listener *next;
	bool             is_listening;
	bool             waits; /* a connection could not be taken: no memory */
};

static void
take_connection(struct listener *l)
{
	l->waits = !session_open(l->worker, (uv_stream_t *)&l->tcp);
}

static void
on_connection(uv_stream_t *server, int status)
{
	if (status == 0)
		take_connection((struct listener *)server);
	else
		log_text("cannot accept: %s", uv_strerror(status));
}

static void
on_tick(uv_timer_t *timer)
{
	struct worker  *w = timer->data;
	struct session *next;

	for (struct session *s = w->sessions; s; s = next) {
		next = session_next(s);
		session_tick(s);
	}
	for (struct listener *l = w->listeners; l; l = l->next)
		if (l->waits)
			take_connection(l);
}

bool
worker_begin(struct worker *w, uv_loop_t *loop)
{
	w->loop = loop;
	random_fill(&w->crowd.seed, sizeof w->crowd.seed);
	w->lookup = lookup_client_new(loop);
	w->submit = submit_client_new(loop);
	if (w->lookup == NULL || w->submit == NULL)
		return false;
	if (uv_timer_init(loop, &w->timer) != 0)
		return false;
	w->timer.data = w;
	return uv_timer_start(&w->timer, on_tick, TICK_MS, TICK_MS) == 0;
}

static void
begin_listening(struct listener *l)
{
	int error;

	if (l->is_listening)
		return;
	error = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
	if (error != 0)
		log_text("cannot listen: %s", uv_strerror(error));
	l->is_listening = error == 0;
}

void
worker_use(struct worker *w, struct policy *policy)
{
	policy_release(w->policy);
	w->policy = policy;
	w->memory.max = policy->message_memory;
	for (struct listener *l = w->listeners; l; l = l->next)
		begin_listening(l);
}

static void
free_listener(uv_handle_t *handle)
{
	free(handle);
}

void
worker_listen(struct worker *w, int socket)
{
	struct listener *l = w->is_stopping ? NULL : calloc(1, sizeof *l);

	if (l == NULL || uv_tcp_init(w->loop, &l->tcp) != 0) {
		log_text("a listening socket could not be taken");
		free(l);
		close(socket);
		return;
	}
	if (uv_tcp_open(&l->tcp, socket) != 0) {
		log_text("a listening socket could not be taken");
		uv_close((uv_handle_t *)&l->tcp, free_listener);
		close(socket);
		return;
	}
	l->worker = w;
	l->next = w->listeners;
	w->listeners = l;
	if (w->policy)
		begin_listening(l);
}

static void
stop_listening(struct worker *w)
{
	while (w->listeners) {
		struct listener *l = w->listeners;

		w->listeners = l->next;
		uv_close((uv_handle_t *)&l->tcp, free_listener);
	}
}

void
worker_stop(struct worker *w, void (*stopped)(void))
{
	struct session *next;

	if (w->is_stopping)
		return;
	w->is_stopping = true;
	w->stopped = stopped;
	stop_listening(w);
	for (struct session *s = w->sessions; s; s = next) {
		next = session_next(s);
		session_stop(s);
	}
	if (w->n_sessions == 0)
		stopped();
}

void
worker_session_opened(struct worker *w, struct session *s)
{
	session_link(s, &w->sessions);
	w->n_sessions++;
}

void
worker_session_closed(struct worker *w, struct session *s)
{
	session_unlink(s, &w->sessions);
	w->n_sessions--;
	if (w->is_stopping && w->n_sessions == 0)
		w->stopped();
}

void
worker_add_stats(const struct worker *w, struct buf *b)
{
	struct handover_counts c = handover_counts();

	buf_addf(b, "sessions %zu, accepted %llu, rejected %llu, deferred %llu",
	    w->n_sessions, (unsigned long long)c.accepted,
	    (unsigned long long)c.rejected, (unsigned long long)c.deferred);
}
