/*
 * The processes that ask, and their questions: who asks the same waits for the same
 * answer, but nobody longer than DESK_PATIENCE_MS.
 */
#ifndef AMPEL_DNS_DESK_H
#define AMPEL_DNS_DESK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "dns/resolver.h"
#include "proto/message.h"

enum {
	DESK_PATIENCE_MS = 30 * 1000, /* then "try later" */
	DESK_QUESTIONS_MAX = 2000,    /* with which the library is busy */
	DESK_ASKER_MAX = 1500,        /* for which one asker waits */
};

struct desk;

/* NULL: no memory. */
struct desk *desk_open(uv_loop_t *loop);
/*
 * From now on this one answers; it is the desk's. What was asked of the one before is
 * still answered by that.
 */
void         desk_use(struct desk *d, struct resolver *resolver);
/* Takes the socket. False: no role that may ask, or no memory; it is closed. */
bool         desk_add(struct desk *d, enum peer_role role, int socket);
void         desk_add_stats(const struct desk *d, struct buf *b);
/* Everything is forgotten. */
void         desk_close(struct desk *d);

#endif
