/*
 * The queue's deliveries: taken in, done in batches of what is there, reported,
 * and kept until the queue has the outcome in its store. A queue that was restarted
 * first hears what is kept.
 */
#ifndef AMPEL_DELIVER_AGENT_H
#define AMPEL_DELIVER_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "deliver/users.h"
#include "mail/config.h"

struct agent;

/* changed: something was done or came to an end; see agent_kept. NULL: no memory. */
struct agent *agent_new(
    uv_loop_t *loop, struct users *users, void (*changed)(void));
/*
 * What is kept is lost, and the queue has it done again. Programs that run are told to end, and
 * killed after a moment. NULL is allowed.
 */
void agent_free(struct agent *a);
/* Work with that configuration; it must live until the next one. */
void agent_use(struct agent *a, const struct config *config);
/* Takes the socket of a queue, which replaces an older one. */
void agent_connect(struct agent *a, int socket);
/* Take nothing more. */
void agent_stop(struct agent *a);
/* Deliveries that are not acknowledged. */
size_t agent_kept(const struct agent *a);
/* Whether something goes on that is to be waited for: a program, a lock. */
bool   agent_is_busy(const struct agent *a);
bool   agent_is_connected(const struct agent *a);
void   agent_stats(const struct agent *a, struct buf *b);

#endif
