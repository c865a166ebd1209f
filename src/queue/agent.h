/*
 * A process that delivers, as the queue sees it: for one uid here, or to all other
 * hosts. Nothing is handed to it before its HELLO, which names what it was doing when an
 * earlier queue died.
 */
#ifndef AMPEL_QUEUE_AGENT_H
#define AMPEL_QUEUE_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "queue/flight.h"

struct schedule;

enum agent_kind { AGENT_DELIVER, AGENT_REMOTE };

struct agent {
	struct agent    *next; /* in the list of agents */
	struct schedule *schedule;
	struct peer     *peer;
	enum agent_kind  kind;
	uint64_t         serial;
	bool             has_greeted;
	size_t           n_delivering;
	size_t           n_kept;     /* that it has not forgotten yet */
	struct flight    delivering; /* rings */
	struct flight    waiting;
};

/* Takes the socket. NULL: no memory. */
struct agent *agent_new(uv_loop_t *loop, struct schedule *s,
    enum agent_kind kind, uint64_t serial, int socket);
/* Closes and frees; its flights must have been taken off. */
void agent_free(struct agent *a);

/* Deliver it, now or when there is room. */
void agent_deliver(struct agent *a, struct flight *f);
/* Of a remote one: MSG_RETRY_ALL. */
void agent_retry_all(struct agent *a);
/* The outcome is in the store: it may forget it. */
void agent_finished(struct agent *a, const struct flight *f);
/* A flight of it has ended: the next may go. */
void agent_has_room(struct agent *a);

#endif
