/*
 * What is due goes to whoever delivers it, and what becomes of it goes back into
 * the store:
 *
 *     lease -> route (lookup) -> agent of that user -> outcome -> FINISH
 *                  |
 *                  +-> expanded, failed: FINISH at once
 *
 * A recipient that fails for good is held until there are bounces: never dropped.
 */
#ifndef AMPEL_QUEUE_SCHEDULE_H
#define AMPEL_QUEUE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "mail/config.h"
#include "mail/outcome.h"
#include "proto/message.h"
#include "queue/desk.h"

struct agent;
struct schedule;
struct lookup_client;
struct flight;

struct schedule *schedule_new(uv_loop_t *loop, struct lookup_client *lookup);
/* The desk, once there is one; its `leased` is schedule_leased with s as context. */
void schedule_set_desk(struct schedule *s, struct desk *desk);
desk_leased schedule_leased;

void schedule_use(struct schedule *s, const struct config *config);
/* From now on it leases. Agents that were connected before must say HELLO first. */
void schedule_begin(struct schedule *s);
/* Something may be due: a message was stored, the administrator kicked one. */
void schedule_wake(struct schedule *s);
void schedule_pause(struct schedule *s, bool on);
/* Lease nothing more; is_empty then says when all that was out has come back. */
void schedule_stop(struct schedule *s);
bool schedule_is_empty(const struct schedule *s);

/* A process for deliveries, taking the socket; and the supervisor's answer. */
void schedule_add_agent(struct schedule *s, uint64_t serial, int socket);
/* The one that delivers to other hosts; it replaces an older one. */
void schedule_add_remote(struct schedule *s, uint64_t serial, int socket);
void schedule_deliver_for(struct schedule *s, const struct msg_deliver_for *m);

/* --- between schedule and agent --- */

/* An outcome of a flight; text is copied. */
void schedule_outcome(struct flight *f, const struct outcome *outcome);
/* Its agent is gone: back into the store; perhaps it was delivered unreported. */
void schedule_release(struct flight *f, bool attempted);
/* An agent works on, or has finished, something that we do not know: after our restart. */
struct flight *schedule_extend(
    struct schedule *s, struct agent *agent, const struct id *id, uint32_t recipient);
struct flight *schedule_find(
    const struct schedule *s, const struct id *id, uint32_t recipient);
/* An agent has said HELLO, or is gone. */
void schedule_agent_known(struct schedule *s);
void schedule_agent_gone(struct schedule *s, struct agent *agent);

#endif
