/*
 * Frames with descriptors over a SOCK_SEQPACKET socket, under uv_poll. Frames go
 * out at once, or wait in order when the socket is full. A frame that no permit
 * names, that was truncated (MSG_TRUNC, MSG_CTRUNC), or whose handler refuses it ends
 * the peer: two of our programs disagree, and going on would guess.
 */
#ifndef AMPEL_IO_PEER_H
#define AMPEL_IO_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "io/peer_blocking.h"

enum { PEER_QUEUE_MAX = 16 * 1024 * 1024 }; /* bytes waiting; more ends the peer */

struct peer;

/*
 * One frame. The handler takes a descriptor by setting its place in fds to -1;
 * the others are closed behind it. False ends the peer. It may close the peer.
 */
typedef bool peer_handler(
    struct peer *peer, struct bytes frame, int *fds, size_t n_fds, void *context);

struct peer_permit {
	uint16_t      type;
	/* Whether it is allowed now; NULL: always. */
	bool        (*when)(void *context);
	peer_handler *handle;
	size_t        max_fds;
};

/* The other end is gone or was ended. Comes once, then only peer_close is left. */
typedef void peer_gone(struct peer *peer, const char *why, void *context);

/*
 * Takes the socket, which is made non-blocking. permits lives as long. NULL with errno, the
 * socket is then still the caller's.
 */
struct peer *peer_open(uv_loop_t *loop, int socket,
    const struct peer_permit *permits, size_t n_permits, peer_gone *gone,
    void *context);

/*
 * Send a frame; descriptors stay the caller's (they are duplicated when the frame has
 * to wait). False when the peer is dead; `gone` then comes from the loop.
 */
bool peer_send(struct peer *peer, struct bytes frame, const int *fds, size_t n_fds);

/* The credentials of who made the socketpair, SO_PEERCRED. */
bool peer_uid(const struct peer *peer, uint32_t *uid);

/* Closes the socket and frees; no callback comes any more. NULL is allowed. Frames that wait are lost. */
void peer_close(struct peer *peer);
/* Whether frames still wait to go out. */
bool peer_is_sending(const struct peer *peer);

/* A connected pair, close-on-exec. -1 with errno. */
int peer_pair(int out[2]);

#endif
