/* What destinations see of their desk. */
#ifndef AMPEL_REMOTE_DESK_INSIDE_H
#define AMPEL_REMOTE_DESK_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "io/tls.h"
#include "remote/destination.h"
#include "remote/resolve.h"
#include "service/jobs.h"

enum { DESK_BUCKETS = 4096 };

struct desk {
	uv_loop_t           *loop;
	uv_idle_t            idle;      /* active while one is to be attended */
	uv_timer_t           timer;     /* forgets */
	struct jobs         *jobs;
	struct resolver      resolver;
	struct tls_context  *tls;
	const struct config *config;    /* NULL: not yet */
	struct buf           passwords; /* of its routes */
	void               (*changed)(void);

	size_t      max_connections, max_per_destination;
	uint64_t    timeout_ms, connect_timeout_ms;
	bool        is_stopping;

	struct turn attention, wanting, all; /* heads of rings */
	size_t      n_destinations;
	size_t      n_connections;
	size_t      n_busy;             /* destinations with a connection, or that want one */
	uint64_t    seed;
	uint64_t    outcomes[OUTCOME_EXPANDED + 1];
	struct destination *buckets[DESK_BUCKETS];
};

/* It is to be attended, in the next turn of the loop. */
void desk_attend(struct desk *desk, struct destination *d);
/* Others wait for a connection. */
bool desk_has_waiting(const struct desk *desk);
/* A connection more. False: there are enough; it is attended when there is room. */
bool desk_take_connection(struct desk *desk, struct destination *d);
/* Its n_connections is one less already. */
void desk_give_connection_back(struct desk *desk, struct destination *d);
/* It has more than its share while others wait. */
bool desk_wants_back(const struct desk *desk, const struct destination *d);
/* What became of a parcel. */
void desk_end(struct desk *desk, struct parcel *p, const struct outcome *outcome);

#endif
