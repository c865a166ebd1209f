#include "queue/desk.h"

#include <stdlib.h>
#include <string.h>

enum {
	OPS_MAX = 256,                     /* in one transaction */
	PATIENCE_MS = 10,                  /* of requests that can wait, */
	PATIENT_MAX = 64,                  /* when there are no more than that */
	LEASE_ARENA = 16 * 1024 * 1024,
};

/* What one pass does: filled by the loop, worked on by the thread, read by the loop. */
struct pass {
	struct desk_request *requests;
	struct desk_call    *calls;
	size_t               wanted; /* recipients */
	struct store_want    want;
	struct desk_leases  *leases;
};

struct desk {
	uv_loop_t           *loop;
	struct store        *store;
	desk_leased         *leased;
	void                *context;

	/* The loop's side: what waits for the next pass. */
	struct desk_request *first, **last;
	struct desk_call    *first_call, **last_call;
	size_t               wanted;
	struct store_want    want;
	bool                 is_running;
	size_t               n_patient;   /* requests that can wait */
	bool                 is_urgent;   /* something cannot, or has waited */
	uv_timer_t           patience;

	/* Shared, under the mutex: has_work tells the thread, is_closing ends it. */
	uv_mutex_t           mutex;
	uv_cond_t            wake;
	bool                 has_work, is_closing;
	struct pass          pass; /* the thread's while is_running */
	uv_async_t           ended;
	uv_prepare_t         prepare; /* a pass begins behind a turn of the loop, */
	uv_check_t           check;   /* so that it takes all that the turn brought */
	uv_thread_t          thread;
};

/* --- the thread --- */

static struct desk_request *
commit_some(struct store *store, struct desk_request *r)
{
	struct store_op *ops[OPS_MAX];
	size_t           n = 0;

	for (; r && n < OPS_MAX; r = r->next)
		ops[n++] = &r->op;
	store_commit(store, ops, n);
	return r;
}

static void
lease(struct store *store, struct pass *pass)
{
	struct desk_leases *l = malloc(sizeof *l);

	pass->leases = l;
	if (l == NULL)
		return;
	arena_init(&l->arena, LEASE_ARENA);
	l->n = store_lease(store, &pass->want, &l->arena, l->list,
	    pass->wanted < DESK_LEASES ? pass->wanted : DESK_LEASES);
	for (size_t i = 0; i < l->n; i++)
		l->bodies[i] = store_body(store, &l->list[i].id);
	l->next_due_ms = store_next_due(store);
	l->users = l->n;
}

static void
run_pass(struct store *store, struct pass *pass)
{
	struct desk_request *r = pass->requests;

	while (r)
		r = commit_some(store, r);
	if (pass->wanted > 0)
		lease(store, pass);
	for (struct desk_call *c = pass->calls; c; c = c->next)
		c->run(store, c);
}

static void
thread_main(void *argument)
{
	struct desk *d = argument;

	uv_mutex_lock(&d->mutex);
	for (;;) {
		while (!d->has_work && !d->is_closing)
			uv_cond_wait(&d->wake, &d->mutex);
		if (!d->has_work)
			break;
		d->has_work = false;
		uv_mutex_unlock(&d->mutex);
		run_pass(d->store, &d->pass);
		uv_async_send(&d->ended);
		uv_mutex_lock(&d->mutex);
	}
	uv_mutex_unlock(&d->mutex);
}

/* --- the loop --- */

static void
begin_pass(struct desk *d)
{
	if (d->is_running ||
	    (d->first == NULL && d->first_call == NULL && d->wanted == 0))
		return;
	if (!d->is_urgent && d->n_patient < PATIENT_MAX)
		return;
	d->n_patient = 0;
	d->is_urgent = false;
	uv_timer_stop(&d->patience);
	d->pass = (struct pass){
		.requests = d->first,
		.calls = d->first_call,
		.wanted = d->wanted,
		.want = d->want,
	};
	d->first = NULL;
	d->last = &d->first;
	d->first_call = NULL;
	d->last_call = &d->first_call;
	d->wanted = 0;
	d->is_running = true;
	uv_mutex_lock(&d->mutex);
	d->has_work = true;
	uv_cond_signal(&d->wake);
	uv_mutex_unlock(&d->mutex);
}

static void
on_patience_over(uv_timer_t *timer)
{
	((struct desk *)timer->data)->is_urgent = true; /* the loop goes on to begin */
}

static void
on_prepare(uv_prepare_t *prepare)
{
	begin_pass(prepare->data);
}

static void
on_check(uv_check_t *check)
{
	begin_pass(check->data);
}

static void
on_ended(uv_async_t *async)
{
	struct desk *d = async->data;
	struct pass  pass = d->pass;

	if (!d->is_running)
		return; /* woken twice */
	d->is_running = false;
	while (pass.requests) {
		struct desk_request *r = pass.requests;

		pass.requests = r->next;
		r->done(r);
	}
	if (pass.wanted > 0)
		d->leased(pass.leases, d->context);
	while (pass.calls) {
		struct desk_call *c = pass.calls;

		pass.calls = c->next;
		c->done(c);
	}
}

struct desk *
desk_open(uv_loop_t *loop, struct store *store, desk_leased *leased,
    void *context)
{
	struct desk *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	d->loop = loop;
	d->store = store;
	d->leased = leased;
	d->context = context;
	d->last = &d->first;
	d->last_call = &d->first_call;
	d->ended.data = d;
	if (uv_async_init(loop, &d->ended, on_ended) != 0)
		goto undo_memory;
	if (uv_mutex_init(&d->mutex) != 0)
		goto undo_async;
	if (uv_cond_init(&d->wake) != 0)
		goto undo_mutex;
	if (uv_thread_create(&d->thread, thread_main, d) != 0)
		goto undo_cond;
	d->prepare.data = d->check.data = d->patience.data = d;
	uv_timer_init(loop, &d->patience);
	uv_prepare_init(loop, &d->prepare);
	uv_check_init(loop, &d->check);
	uv_prepare_start(&d->prepare, on_prepare);
	uv_check_start(&d->check, on_check);
	return d;
undo_cond:
	uv_cond_destroy(&d->wake);
undo_mutex:
	uv_mutex_destroy(&d->mutex);
undo_async:
	uv_close((uv_handle_t *)&d->ended, NULL);
	return NULL; /* the loop still knows the handle: d stays */
undo_memory:
	free(d);
	return NULL;
}

void
desk_close(struct desk *d)
{
	if (d == NULL)
		return;
	uv_mutex_lock(&d->mutex);
	d->is_closing = true;
	uv_cond_signal(&d->wake);
	uv_mutex_unlock(&d->mutex);
	uv_thread_join(&d->thread);
	uv_prepare_stop(&d->prepare);
	uv_check_stop(&d->check);
	store_close(d->store);
	d->store = NULL;
}

void
desk_commit(struct desk *d, struct desk_request *request)
{
	request->next = NULL;
	*d->last = request;
	d->last = &request->next;
	if (!request->can_wait)
		d->is_urgent = true;
	else if (d->n_patient++ == 0)
		uv_timer_start(&d->patience, on_patience_over, PATIENCE_MS, 0);
}

bool
desk_cancel(struct desk *d, struct desk_request *request)
{
	for (struct desk_request **at = &d->first; *at; at = &(*at)->next) {
		if (*at != request)
			continue;
		*at = request->next;
		if (d->last == &request->next)
			d->last = at;
		return true;
	}
	return false;
}

void
desk_run(struct desk *d, struct desk_call *call)
{
	call->next = NULL;
	*d->last_call = call;
	d->last_call = &call->next;
	d->is_urgent = true;
}

void
desk_want(struct desk *d, size_t n, const struct store_want *want)
{
	d->wanted = n;
	d->want = *want;
	d->is_urgent = true;
}

bool
desk_is_idle(const struct desk *d)
{
	return !d->is_running && d->first == NULL && d->first_call == NULL;
}

void
desk_leases_release(struct desk_leases *leases)
{
	arena_finish(&leases->arena);
	free(leases);
}
