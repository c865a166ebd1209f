/*
 * How many connections to one destination there may be at once: it is found out by what
 * becomes of them. And whether the destination is down, that is, no server of it can be reached:
 * then one connection is tried now and then, and nobody waits for it. The clock comes in.
 *
 *             all addresses failed                 its time has come: one probe
 *     UP  ------------------------------>  DOWN  ----------------------------->  PROBING
 *      ^  <--- a server took a connection ---------------------------------------/  |
 *                                           ^--------- failed: twice as long ------/
 */
#ifndef AMPEL_MAIL_CONCURRENCY_H
#define AMPEL_MAIL_CONCURRENCY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CONCURRENCY_START = 5,
	CONCURRENCY_HALVE_PAUSE_MS = 5 * 1000, /* connections that fail together count once */
	CONCURRENCY_DOWN_MS = 60 * 1000,       /* the first time; then it doubles */
	CONCURRENCY_DOWN_MAX_MS = 15 * 60 * 1000,
};

enum concurrency_state { CONCURRENCY_UP, CONCURRENCY_DOWN, CONCURRENCY_PROBING };

struct concurrency {
	enum concurrency_state state;
	unsigned               limit;
	unsigned               successes; /* of this round */
	uint64_t               halved_ms; /* 0: never */
	uint64_t               probe_ms;  /* DOWN: not before */
	uint64_t               down_ms;   /* how long it is down; 0: it was up */
};

void     concurrency_init(struct concurrency *c);
/* At most max, at least 1. */
unsigned concurrency_limit(const struct concurrency *c, unsigned max);
/* A transaction went well: one connection more after as many as there may be now. */
void     concurrency_succeeded(struct concurrency *c, unsigned max);
/* The server wants less: 4xx to a connection, time-outs. */
void     concurrency_failed(struct concurrency *c, uint64_t now_ms);

/* A server took a connection. */
void concurrency_came_up(struct concurrency *c);
/* No server could be reached. random spreads the probes of many destinations. */
void concurrency_went_down(struct concurrency *c, uint64_t now_ms, uint32_t random);
/*
 * A message wants to go there. True: it may wait for a connection; if the destination was down, it
 * is the probe. False: it is to be deferred.
 */
bool concurrency_admit(struct concurrency *c, uint64_t now_ms);
/* What is down is tried as if nothing were known of it. */
void concurrency_retry(struct concurrency *c);
/* The probe ended before anything was found out: the next may try at once. */
void concurrency_probe_void(struct concurrency *c);

#endif
