/*
 * A new configuration: everything is parsed, every program is sent its new part, and
 * only when all have said PREPARED is it used; otherwise the old one stays.
 */
#ifndef AMPEL_AMPEL_RELOAD_H
#define AMPEL_AMPEL_RELOAD_H

struct supervisor;
struct instance;

/* A program has prepared for the new configuration, or will not. */
void reload_prepared(struct supervisor *s, struct instance *i);
void reload_refused(struct supervisor *s, struct instance *i, const char *why);
/* The server stops: whoever waits is told. */
void reload_abandon(struct supervisor *s);

#endif
