/*
 * The processes that ask for policies, and their questions. Who asks for the same domain
 * waits for the same inquiry, but nobody longer than DESK_PATIENCE_MS.
 */
#ifndef AMPEL_FETCH_DESK_H
#define AMPEL_FETCH_DESK_H

#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"
#include "fetch/memory.h"
#include "proto/message.h"

enum {
	DESK_PATIENCE_MS = 70 * 1000, /* less than POLICY_TIMEOUT_MS of those who ask */
	DESK_ASKER_MAX = 2000,        /* questions for which one asker waits */
};

struct desk;

/*
 * memory becomes the desk's; authorities: certificates in PEM, lives as long. NULL: there is no
 * memory, and the caller's stays his.
 */
struct desk *desk_open(
    uv_loop_t *loop, struct memory *memory, struct bytes authorities);
/* Takes the socket of ampel-dns, or of one that may ask. False: neither; it is closed. */
bool         desk_add(struct desk *d, enum peer_role role, int socket);
void         desk_add_stats(const struct desk *d, struct buf *b);
/* Everything is forgotten but the files. */
void         desk_close(struct desk *d);

#endif
