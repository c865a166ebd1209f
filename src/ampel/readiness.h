/*
 * Whether every service answers, as `ampel start` sees it: before systemd is told so. And
 * its watchdog.
 */
#ifndef AMPEL_AMPEL_READINESS_H
#define AMPEL_AMPEL_READINESS_H

struct supervisor;

void readiness_start_watchdog(struct supervisor *s);
/* All programs are ready: look, then tell READY=1 or fail. When nobody listens: nothing. */
void readiness_check(struct supervisor *s);
void readiness_abandon(struct supervisor *s);

#endif
