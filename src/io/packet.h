/*
 * One packet of a SOCK_SEQPACKET socket: a frame and the descriptors that travel with
 * it. What peer.h and peer_blocking.h are made of.
 */
#ifndef AMPEL_IO_PACKET_H
#define AMPEL_IO_PACKET_H

#include <stddef.h>

#include "base/bytes.h"
#include "io/peer_blocking.h"

/* 0, or an errno. Descriptors stay the caller's. */
int packet_send(int socket, struct bytes frame, const int *fds, size_t n_fds);

/*
 * 0, or an errno: ENODATA at the end, EMSGSIZE for a truncated frame. buffer has
 * PEER_FRAME_MAX bytes, fds PEER_DESCRIPTORS places; those it fills are the caller's.
 */
int packet_receive(int socket, char *buffer, size_t *n, int *fds, size_t *n_fds);

/* Close those that are not -1, and make them -1. */
void packet_close(int *fds, size_t n);

#endif
