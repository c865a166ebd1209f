/*
 * One conversation with one spamd: connect, send the request and the message, close
 * the writing side, read the reply.
 */
#ifndef AMPEL_HIQ_SPAMD_CONNECTION_H
#define AMPEL_HIQ_SPAMD_CONNECTION_H

#include <uv.h>

#include "base/network.h"
#include "hiq/spamd_body.h"
#include "proto/spamd.h"

enum { SPAMD_CONNECT_TIMEOUT_MS = 5000 };

enum spamd_end {
	SPAMD_UNREACHABLE, /* nobody is there */
	SPAMD_DIED,        /* it took the connection but did not say a byte */
	SPAMD_SAID,        /* a score or an error */
};

struct spamd_connection;

/*
 * Comes once, never from inside spamd_connect. The connection is gone then. reply lives
 * for the call; result is SPAMD_SCORE or SPAMD_ERROR and counts with SPAMD_SAID alone.
 */
typedef void spamd_conversed(enum spamd_end end, enum spamd_result result,
    const struct spamd_reply *reply, void *context);

/*
 * The body, which is rewound, stays the caller's and is used until the end. wire_size
 * is its spamd_body_size. NULL: the address cannot be used, or no memory.
 */
struct spamd_connection *spamd_connect(uv_loop_t *loop,
    const struct endpoint *address, struct spamd_body *body, uint64_t wire_size,
    spamd_conversed *conversed, void *context);

/* Hang up; no callback. NULL is allowed. */
void spamd_disconnect(struct spamd_connection *c);

#endif
