/*
 * Addresses that were not there when they were last tried. For a while they are
 * tried last, so that a message does not wait for a machine that is down.
 */
#ifndef AMPEL_HIQ_DEAD_H
#define AMPEL_HIQ_DEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { DEAD_FOR_MS = 10 * 1000 };

/* now_ms is monotonic. */
void dead_note(struct bytes address, uint64_t now_ms);
void dead_forget(struct bytes address);
bool dead_is(struct bytes address, uint64_t now_ms);

#endif
