/*
 * Who delivers: a process for each user's mail here, which the supervisor starts when it
 * is asked, and one for all other hosts, which is always there or being restarted.
 */
#ifndef AMPEL_QUEUE_AGENTS_H
#define AMPEL_QUEUE_AGENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/message.h"
#include "queue/agent.h"
#include "queue/users.h"

struct agents {
	uv_loop_t       *loop;
	struct schedule *schedule;
	struct agent    *first;
	struct agent    *remote;  /* the newest; NULL: it is being restarted */
	struct flight    waiting; /* ring: for it */
	struct users     users;
	bool             is_stopping;
};

void agents_init(struct agents *a, uv_loop_t *loop, struct schedule *s);

/* A new process, taking the socket. */
void agents_add(struct agents *a, enum agent_kind kind, uint64_t serial, int socket);
/* The supervisor's answer. */
void agents_deliver_for(struct agents *a, const struct msg_deliver_for *m);

/* Whether each has said HELLO: one of an earlier life may hold what the store calls due. */
bool agents_are_known(const struct agents *a);

/* Deliver to the user that f names; false: no memory. */
bool agents_deliver(struct agents *a, struct flight *f);
/* Deliver to another host. */
void agents_send(struct agents *a, struct flight *f);

/* What other hosts were found to be counts no more. */
void agents_retry_all(struct agents *a);

/* That one is dead: what it had is released. */
void agents_gone(struct agents *a, struct agent *agent);
/* What waits for another host, and has not been handed over, goes back into the store. */
void agents_stop(struct agents *a);

#endif
