/*
 * A broken script exits 1 as a filter that found spam does. So before a configuration is
 * used, every program in it judges a harmless message; one that is not green would
 * reject everything.
 */
#ifndef AMPEL_HIQ_PROBE_H
#define AMPEL_HIQ_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "hiq/filters.h"

/*
 * Runs all at once, on a loop of its own, and returns when the last has answered or its
 * timeout has passed. False with a text that names the first that is not green
 * and what it said.
 */
bool probe_filters(const struct filters *filters, char *error, size_t size);

#endif
