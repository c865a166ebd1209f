/*
 * What the parts of the schedule share: routing, agents, landing, extension, notices. For others
 * there is schedule.h.
 */
#ifndef AMPEL_QUEUE_SCHEDULE_INSIDE_H
#define AMPEL_QUEUE_SCHEDULE_INSIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/arena.h"
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

/* Something is due then. */
void schedule_wake_at(struct schedule *s, uint64_t due_ms);

struct flight *schedule_find(
    const struct schedule *s, const struct id *id, uint32_t recipient);
/* No flight is its any more. */
void schedule_forget_agent(struct schedule *s, const struct agent *agent);
/* An agent has said HELLO, or is gone. */
void schedule_agents_known(struct schedule *s);

#endif
