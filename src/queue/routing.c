#include "queue/routing.h"

#include <string.h>

#include "mail/directory.h"
#include "queue/landing.h"
#include "queue/schedule_inside.h"
#include "service/lookup_client.h"

/*
 * What the client wrote, NOTIFY and ORCPT stay with the recipients of an alias, RFC 3461
 * section 5.2.7.2. Those of a list, which has an owner, report to him: what the sender
 * wished ends with it (section 5.2.7.3).
 */
static bool
add_target(struct flight *f, const struct route *route, size_t i,
    struct envelope_recipient *out)
{
	const struct store_lease *l = &f->lease;
	const bool                is_list = route->owner.n > 0;

	*out = (struct envelope_recipient){
		.address = arena_copy(&f->arena, route->targets[i]),
		.original = l->original,
		.orcpt = is_list ? BYTES("") : l->orcpt,
		.notify = is_list ? NOTIFY_UNSET : l->notify,
	};
	return out->address.p != NULL;
}

static void
expand(struct flight *f, const struct route *route)
{
	struct envelope_recipient *list =
	    arena_alloc(&f->arena, (route->n_targets + 1) * sizeof *list);
	struct store_finish end = {
		.token = f->lease.token,
		.outcome = outcome_of(OUTCOME_EXPANDED, STATUS(2, 0, 0),
		    BYTES("became other recipients")),
		.expanded = list,
		.n_expanded = route->n_targets,
		.reverse_path = arena_copy(&f->arena, route->owner),
	};

	for (size_t i = 0; list && i < route->n_targets; i++)
		if (!add_target(f, route, i, &list[i]))
			list = NULL;
	if (list == NULL || end.reverse_path.p == NULL) {
		landing_try_soon(f, BYTES("no memory for an alias"));
		return;
	}
	landing_finish(f, &end);
}

static void
deliver(struct flight *f, const struct route *route)
{
	f->is_qmail = route->is_qmail;
	f->extension = arena_copy(&f->arena, route->extension);
	f->local = arena_copy(&f->arena, route->local);
	f->dash = arena_copy(&f->arena, route->dash);
	if (!f->extension.p || !f->local.p || !f->dash.p ||
	    !bytes_to_string(route->user, f->user, sizeof f->user) ||
	    !agents_deliver(&f->schedule->agents, f))
		landing_try_soon(f, BYTES("no memory for a user"));
}

static void
on_route(const struct route *route, void *context)
{
	struct flight *f = context;

	f->question = NULL;
	if (route == NULL) {
		landing_try_soon(f, BYTES("lookup was restarted"));
		return;
	}
	if (f->body < 0 &&
	    (route->kind == ROUTE_USER || route->kind == ROUTE_NOT_OURS)) {
		landing_try_soon(f, BYTES("its body cannot be read"));
		return;
	}
	switch (route->kind) {
	case ROUTE_UNKNOWN_USER:
		landing_fail(f, STATUS(5, 1, 1), BYTES("no such user here"));
		break;
	case ROUTE_NOT_OURS:
		f->is_remote = true;
		agents_send(&f->schedule->agents, f);
		break;
	case ROUTE_USER:
		deliver(f, route);
		break;
	case ROUTE_EXPANDED:
		expand(f, route);
		break;
	}
}

void
routing_ask(struct flight *f)
{
	f->state = FLIGHT_ROUTING;
	f->question = lookup_route(
	    f->schedule->lookup, f->lease.address, on_route, f);
	if (f->question == NULL)
		landing_try_soon(f, BYTES("no memory for a question"));
}
