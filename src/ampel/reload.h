/*
 * A new configuration: everything is parsed, every program is sent its new part, and
 * only when all have said PREPARED is it used; otherwise the old one stays.
 */
#ifndef AMPEL_AMPEL_RELOAD_H
#define AMPEL_AMPEL_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

struct supervisor;
struct instance;

/* Whether the reload under way, if any, waits for that answer. */
bool reload_awaits(
    const struct supervisor *s, const struct instance *i, uint64_t generation);
/*
 * A program has prepared for the new configuration (false: it was for another one, and
 * the reload has nothing to do with it), or will not, or has ended.
 */
bool reload_prepared(struct supervisor *s, struct instance *i,
    uint64_t generation, bool is_first);
void reload_refused(struct supervisor *s, struct instance *i, const char *why);
void reload_ended(struct supervisor *s, struct instance *i);
/* The server stops: whoever waits is told. */
void reload_abandon(struct supervisor *s);

#endif
