/*
 * One next hop: the parcels that wait for it in line, the connections to its servers, and
 * what is known of these. All its work is done in destination_attend, in a turn of the loop of
 * its own.
 */
#ifndef AMPEL_REMOTE_DESTINATION_H
#define AMPEL_REMOTE_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mail/concurrency.h"
#include "remote/itinerary.h"
#include "remote/parcel.h"
#include "remote/plan.h"
#include "remote/problem.h"
#include "remote/resolve.h"

struct desk;

/* A place in one of the desk's rings. */
struct turn {
	struct turn        *next, *before; /* NULL: in none */
	struct destination *destination;
};

struct destination {
	struct destination *next_in_table;
	struct desk        *desk;
	struct turn         attention; /* it is to be attended */
	struct turn         wanting;   /* it waits for a connection */
	struct turn         all;

	struct arena        arena;
	struct itinerary    to;
	struct buf          password;  /* of to; a reload may come while it is needed */
	bool                has_turn;  /* it may take a connection before others */
	bool                is_busy;   /* it has one, or waits for it */
	bool                is_retired; /* the configuration is another one now */

	struct parcel      *first, *last;
	size_t              n;         /* in line */
	struct connection  *connections;
	size_t              n_connections;
	size_t              n_open;    /* of them, those that were ready once */
	struct concurrency  concurrency;
	struct plan        *plan;
	struct resolving   *resolving;
	struct problem     *problem;   /* while it is down: why */
	uint64_t            logged_ms; /* the last problem */
	unsigned            unlogged;  /* since then */
};

/* Takes the arena, in which `to` lives. NULL: no memory, the arena is then the caller's. */
struct destination *destination_new(
    struct desk *desk, const struct arena *arena, const struct itinerary *to);
/* It is quiet. */
void destination_free(struct destination *d);

/* One more; it may have its outcome at once. */
void destination_add(struct destination *d, struct parcel *p);
/* It leaves the line. */
void destination_remove(struct destination *d, struct parcel *p);
void destination_attend(struct destination *d);
/* No new transactions: connections end as soon as they can. */
void destination_stop(struct destination *d);
/*
 * The queue is lost: what no server may have goes out of jobs, connections included; the rest
 * goes on.
 */
void destination_abandon(struct destination *d);

/* Nothing goes on. */
bool destination_is_quiet(const struct destination *d);
/* It is quiet, and what it knows is worth nothing any more. */
bool destination_is_over(const struct destination *d, uint64_t now_ms);
/* QUIT to one that has no work. False: there is none. */
bool destination_shed(struct destination *d);

#endif
