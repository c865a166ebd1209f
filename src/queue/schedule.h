/*
 * What is due goes to whoever delivers it, and what becomes of it goes back into
 * the store:
 *
 *     lease -> routing (lookup) -> agent of that user, or for other hosts
 *                  |                           |
 *                  +-> expanded, failed -------+--> outcome -> FINISH
 *
 * A recipient that is deferred is tried again, quadratically later each time, until it
 * has outlived the queue. One that fails for good is never dropped in silence: its sender
 * is told in the transaction that ends it.
 */
#ifndef AMPEL_QUEUE_SCHEDULE_H
#define AMPEL_QUEUE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "mail/config.h"
#include "queue/desk.h"

struct agents;
struct lookup_client;
struct schedule;

struct schedule *schedule_new(uv_loop_t *loop, struct lookup_client *lookup);
/* The desk, once there is one; its `leased` is schedule_leased with s as context. */
void schedule_set_desk(struct schedule *s, struct desk *desk);
desk_leased schedule_leased;
/* Processes for deliveries are added to them. */
struct agents *schedule_agents(struct schedule *s);

/* How large a message may be that comes in: hiq may have made it larger. */
uint64_t schedule_message_max(const struct config *config);

/* config lives until the next one is used. */
void schedule_use(struct schedule *s, const struct config *config);
/* From now on it leases. Agents that were connected before must say HELLO first. */
void schedule_begin(struct schedule *s);
/* Something may be due: a message was stored, the administrator kicked one. */
void schedule_wake(struct schedule *s);
/* What was found out about other hosts counts no more: the administrator wants it tried. */
void schedule_trust_nothing(struct schedule *s);
/* Everything that is queued is due now. */
void schedule_retry_all(struct schedule *s);
void schedule_pause(struct schedule *s, bool on);
/*
 * Lease nothing more; is_empty then says when all that was out has come back. Returns how
 * many recipients are out.
 */
size_t schedule_stop(struct schedule *s);
bool   schedule_is_empty(const struct schedule *s);

#endif
