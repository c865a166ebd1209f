/*
 * The queue's parcels come in, and each is put in line at its destination; connections are
 * shared out among these.
 */
#ifndef AMPEL_REMOTE_DESK_H
#define AMPEL_REMOTE_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/buf.h"
#include "io/tls.h"
#include "mail/config.h"

struct desk;

/* changed: something came to an end; see desk_is_over. NULL: no memory. */
struct desk *desk_new(uv_loop_t *loop, void (*changed)(void));
/*
 * Work with that from now on; the configuration lives until the next one. Takes one hold of tls,
 * and the passwords of routes.
 */
void         desk_use(struct desk *desk, const struct config *config,
            struct tls_context *tls, struct buf *passwords);

/* Take the socket of a neighbour, which replaces an older one. */
void desk_connect_queue(struct desk *desk, int socket);
void desk_connect_dns(struct desk *desk, int socket);
void desk_connect_fetch(struct desk *desk, int socket);

/* Begin nothing; finish what is under way. */
void   desk_stop(struct desk *desk);
/* After that: nothing is under way. */
bool   desk_is_quiet(const struct desk *desk);
/* All that was done is acknowledged, or there is nobody to do it. */
bool   desk_is_acknowledged(const struct desk *desk);
/* What was not begun; the queue gives it to whoever comes after us. */
size_t desk_given_back(const struct desk *desk);
void   desk_stats(const struct desk *desk, struct buf *b);

#endif
