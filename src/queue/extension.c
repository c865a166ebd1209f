#include "queue/extension.h"

#include "io/clock.h"
#include "queue/agent.h"
#include "queue/landing.h"
#include "queue/schedule_inside.h"

static void
begin_extended(struct flight *f)
{
	if (f->agent == NULL) {
		landing_release(f, true);
		return;
	}
	f->state = FLIGHT_DELIVERING;
	if (f->has_outcome)
		landing_outcome(f, &f->outcome);
}

static void
run_body(struct store *store, struct desk_call *call)
{
	struct flight *f = call->context;

	f->body = store_body(store, &f->lease.id);
}

static void
on_body(struct desk_call *call)
{
	begin_extended(call->context);
}

static void
on_extended(struct desk_request *r)
{
	struct flight   *f = r->context;
	struct schedule *s = f->schedule;

	if (r->op.result == STORE_UNKNOWN) {
		landing_again(s, r);
		return;
	}
	if (r->op.result != STORE_DONE) { /* it was finished before we died */
		if (f->agent) {
			f->agent->n_delivering--;
			agent_finished(f->agent, f);
		}
		landing_end(f);
		return;
	}
	f->share = shares_enter(&s->shares, f->lease.address);
	f->call = (struct desk_call){
		.run = run_body, .done = on_body, .context = f,
	};
	desk_run(s->desk, &f->call);
}

struct flight *
extension_begin(struct schedule *s, struct agent *agent, const struct id *id,
    uint32_t recipient)
{
	struct flight       *f = flight_new(&s->flights, id, recipient);
	struct desk_request *r;

	if (f == NULL)
		return NULL;
	f->schedule = s;
	f->agent = agent;
	f->is_remote = agent->kind == AGENT_REMOTE;
	f->state = FLIGHT_EXTENDING;
	f->begun_ms = clock_monotonic_ms();
	r = &f->request;
	r->op = (struct store_op){
		.kind = STORE_EXTEND,
		.id = *id,
		.recipient = recipient,
		.lease = &f->lease,
		.arena = &f->arena,
	};
	r->done = on_extended;
	r->context = f;
	desk_commit(s->desk, r);
	return f;
}
