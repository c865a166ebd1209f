/*
 * The conversation with the queue. What it gives out in one turn of the loop is one
 * batch. When the queue dies, what we have is kept and told to the next one.
 */
#ifndef AMPEL_DELIVER_AGENT_H
#define AMPEL_DELIVER_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "deliver/homes.h"

struct agent;

/* Something changed: perhaps there is nothing left to do. */
typedef void agent_changed(struct agent *a);

/* homes is borrowed. NULL: no memory. */
struct agent *agent_new(
    uv_loop_t *loop, struct homes *homes, agent_changed *changed);
/* The loop frees it; nothing is called any more. NULL is allowed. */
void          agent_free(struct agent *a);
/* Borrowed until the next call. */
void agent_use(struct agent *a, struct bytes hostname);
/* A connection to the queue, in place of an earlier one. Takes the socket. */
void agent_connect(struct agent *a, int socket);

bool   agent_is_connected(const struct agent *a);
/* Jobs whose outcome is not known to be safe in the store. */
size_t agent_jobs(const struct agent *a);
/* When the queue or we last did something, of uv_now. */
uint64_t agent_busy_ms(const struct agent *a);

#endif
