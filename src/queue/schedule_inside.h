/*
 * What the parts of the schedule share: routing.c, agents.c, agent.c, notices.c. For
 * others there is schedule.h.
 */
#ifndef AMPEL_QUEUE_SCHEDULE_INSIDE_H
#define AMPEL_QUEUE_SCHEDULE_INSIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/arena.h"
#include "mail/outcome.h"
#include "queue/agents.h"
#include "queue/desk.h"
#include "queue/flight.h"
#include "queue/notices.h"
#include "queue/schedule.h"
#include "queue/shares.h"

struct lookup_client;

struct schedule {
	uv_loop_t            *loop;
	struct desk          *desk;
	struct lookup_client *lookup;
	const struct config  *config;
	struct flight_table   flights;
	struct agents         agents;
	struct shares         shares;
	struct arena          limits; /* of the pass that leases */
	uv_timer_t            timer;  /* the next that gets due */
	uv_timer_t            again_timer;
	struct desk_request  *again, **last_again; /* what the store could not write */
	struct notices        notices;
	struct desk_request   retry_all;
	bool                  is_retrying_all;
	bool                  has_begun, is_paused, is_stopping;
	bool                  are_agents_known; /* those of an earlier life */
	bool                  is_wanting; /* a pass that leases is on its way */
	bool                  wake_again; /* what came since is not in that pass */
	bool                  has_more;   /* the last one left some that are due */
};

/* An outcome of a flight; its texts are copied. */
void schedule_outcome(struct flight *f, const struct outcome *outcome);
void schedule_fail(struct flight *f, struct status status, struct bytes why);
/* Nothing is wrong with the message: a neighbour is being restarted. */
void schedule_try_soon(struct flight *f, struct bytes why);
/*
 * It is decided what became of it: the store is to write that, and what it causes. All that
 * finish points to lives in f->arena or the lease.
 */
void schedule_finish(struct flight *f, const struct store_finish *finish);
/* For notices.c alone: write it as it is, nobody else is to be told. */
void schedule_commit(struct flight *f, const struct store_finish *finish);
/* Back into the store without an outcome; perhaps it was delivered unreported. */
void schedule_release(struct flight *f, bool attempted);

/* Something is due then. */
void schedule_wake_at(struct schedule *s, uint64_t due_ms);

/* An agent works on, or has finished, something that we do not know: after our restart. */
struct flight *schedule_extend(
    struct schedule *s, struct agent *agent, const struct id *id, uint32_t recipient);
struct flight *schedule_find(
    const struct schedule *s, const struct id *id, uint32_t recipient);
/* No flight is its any more. */
void schedule_forget_agent(struct schedule *s, const struct agent *agent);
/* An agent has said HELLO, or is gone. */
void schedule_agents_known(struct schedule *s);

#endif
