/*
 * After a restart of ours: an agent works on, or has finished, what we know nothing of. The
 * lease of our earlier life goes on, if the store still has that recipient.
 */
#ifndef AMPEL_QUEUE_EXTENSION_H
#define AMPEL_QUEUE_EXTENSION_H

#include <stdint.h>

#include "mail/id.h"

struct agent;
struct flight;
struct schedule;

/* A flight that is EXTENDING; in none of the agent's rings. NULL: no memory. */
struct flight *extension_begin(
    struct schedule *s, struct agent *agent, const struct id *id, uint32_t recipient);

#endif
