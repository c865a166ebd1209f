/*
 * Telling systemd, when it started us (sd_notify(3)): a datagram with lines NAME=VALUE to
 * the socket that $NOTIFY_SOCKET names. So little of libsystemd is not worth its weight in
 * a program that keeps root.
 */
#ifndef AMPEL_AMPEL_NOTIFY_H
#define AMPEL_AMPEL_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Take the variables out of the environment, so that no child has them. is_main: this
 * process is the one that systemd started; otherwise nothing is ever told.
 */
void notify_open(bool is_main);
void notify_close(void);

/* Whether somebody listens. */
bool notify_is_wanted(void);

/* One message; lost when nobody listens. "READY=1\nSTATUS=running" */
void notify_say(const char *text);
/* RELOADING=1 with the time, which tells systemd whose READY=1 ends it. */
void notify_reloading(void);

/* How often WATCHDOG=1 is due: half of what systemd allows. 0: never. */
uint64_t notify_watchdog_ms(void);

#endif
