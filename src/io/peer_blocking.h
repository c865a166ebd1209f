/*
 * The frames of io/peer.h for programs without a loop: blocking. Links no libuv.
 */
#ifndef AMPEL_IO_PEER_BLOCKING_H
#define AMPEL_IO_PEER_BLOCKING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

enum { PEER_FRAME_MAX = 64 * 1024, PEER_DESCRIPTORS = 4 };

/* False with errno. Descriptors stay the caller's. */
bool peer_send_blocking(int socket, struct bytes frame, const int *fds, size_t n_fds);
/*
 * False at the end or an error. Timeout in ms, 0: none. buffer has PEER_FRAME_MAX bytes; *frame
 * is in it. fds has PEER_DESCRIPTORS places; unused ones -1.
 */
bool peer_receive_blocking(int socket, char *buffer, struct bytes *frame, int *fds,
    unsigned timeout_ms);

#endif
