/*
 * Recipients on their way: leased, and not yet finished in the store. Found by
 * message id and recipient, which a process for deliveries knows even when we have
 * been restarted meanwhile.
 */
#ifndef AMPEL_QUEUE_FLIGHT_H
#define AMPEL_QUEUE_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "mail/directory.h"
#include "queue/desk.h"
#include "queue/store.h"

struct agent;
struct forward;
struct lookup_question;
struct notice;
struct schedule;
struct share;

/* What the end of one can cause: its forward, a notice. */
enum { FLIGHT_CAUSED_MAX = 2 };

enum flight_state {
	FLIGHT_ROUTING,   /* lookup is asked where it goes */
	FLIGHT_WAITING,   /* for its agent */
	FLIGHT_DELIVERING,
	FLIGHT_EXTENDING, /* an agent told us of it; the store does not know yet */
	FLIGHT_FINISHING, /* its outcome is known, and on the way into the store */
};

struct flight {
	struct flight          *next_in_table;
	struct flight          *next, *before; /* in one of the agent's or user's lists */
	struct schedule        *schedule;
	enum flight_state       state;
	struct store_lease      lease;  /* views live in leases, or in arena */
	struct desk_leases     *leases; /* NULL: EXTENDING */
	struct share           *share; /* counts it; NULL: none does */
	int                     body;   /* -1: none */
	struct agent           *agent;
	struct lookup_question *question;
	char                    user[DIRECTORY_USER_MAX + 1];
	struct bytes            extension; /* these as mail/directory.h has them; in arena */
	bool                    is_qmail;
	struct bytes            local, dash;
	uint64_t                begun_ms;
	bool                    is_remote;   /* goes to another host */
	bool                    has_outcome; /* one came while EXTENDING: */
	struct outcome          outcome;
	struct desk_request     request;     /* of the FINISH, RELEASE or EXTEND */
	struct desk_call        call;        /* for the body of what was extended */
	struct notice          *notice;      /* tells of it; NULL: nobody is told */
	struct store_finish     end;         /* what it waits with for the notice */
	struct forward         *forward;     /* comes with the outcome; NULL: none */
	struct store_put        caused[FLIGHT_CAUSED_MAX]; /* of the FINISH; the forward is first */
	struct arena            arena;       /* what the request points to */
};

enum { FLIGHT_BUCKETS = 4096 };

struct flight_table {
	struct flight *buckets[FLIGHT_BUCKETS];
	size_t         n;
};

/* NULL: no memory. In the table, in no list. */
struct flight *flight_new(
    struct flight_table *t, const struct id *id, uint32_t recipient);
struct flight *flight_find(
    const struct flight_table *t, const struct id *id, uint32_t recipient);
/* Out of the table; its descriptor closed, its lease's views given back. */
void flight_free(struct flight_table *t, struct flight *f);

/* A ring whose head is a flight of nothing. */
void           flight_ring_init(struct flight *head);
void           flight_ring_add(struct flight *head, struct flight *f);
struct flight *flight_ring_first(struct flight *head); /* NULL: empty */
/* Out of whatever ring it is in; calm when in none. */
void           flight_ring_leave(struct flight *f);

#endif
