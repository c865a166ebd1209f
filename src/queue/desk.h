/*
 * The store's thread, and the one asynchronous door to it. What comes in while a
 * pass runs waits for the next one, so that many submissions share one flush:
 *
 *     a pass = store_commit of all requests, then a lease if one is wanted, then
 *              the other calls
 *
 * Callbacks come from the loop, after the pass, in the order of the requests.
 */
#ifndef AMPEL_QUEUE_DESK_H
#define AMPEL_QUEUE_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/arena.h"
#include "queue/store.h"

struct desk;
struct desk_request;

typedef void desk_done(struct desk_request *request);

/* Embedded in whatever asks; it and all that op points to lives until done. */
struct desk_request {
	struct desk_request *next;  /* private */
	struct store_op      op;
	bool                 can_wait; /* a little, for others to share its flush */
	desk_done           *done;
	void                *context;
};

/* A call of its own on the store's thread. */
struct desk_call {
	struct desk_call *next; /* private */
	void (*run)(struct store *store, struct desk_call *call);
	void (*done)(struct desk_call *call);
	void  *context;
};

enum { DESK_LEASES = 256 }; /* at most, in one pass */

/* What a pass leased; views live in arena. The bodies' descriptors are the taker's. */
struct desk_leases {
	struct arena       arena;
	struct store_lease list[DESK_LEASES];
	int                bodies[DESK_LEASES]; /* -1: none */
	size_t             n;
	uint64_t           next_due_ms;
	size_t             users; /* of the arena; the taker counts it down */
};

/*
 * Comes once for each pass that leased. It gets its argument for good:
 * desk_leases_release it. NULL: there was no memory, nothing is leased.
 */
typedef void desk_leased(struct desk_leases *leases, void *context);

/* NULL: no thread, no memory. The store becomes the desk's. */
struct desk *desk_open(uv_loop_t *loop, struct store *store,
    desk_leased *leased, void *context);
/* Waits for the pass that runs, then closes the store. Nothing may wait. */
void desk_close(struct desk *d);

void desk_commit(struct desk *d, struct desk_request *request);
/* True: it had not begun; done does not come. */
bool desk_cancel(struct desk *d, struct desk_request *request);
void desk_run(struct desk *d, struct desk_call *call);
/*
 * Lease up to n recipients in the next pass, as want says; its limits and their names
 * live until `leased` comes.
 */
void desk_want(struct desk *d, size_t n, const struct store_want *want);
/* Whether nothing waits and nothing runs. */
bool desk_is_idle(const struct desk *d);

void desk_leases_release(struct desk_leases *leases);

#endif
