/*
 * `ampel queue`: the administrator's questions, answered from the store's thread.
 */
#ifndef AMPEL_QUEUE_ADMIN_H
#define AMPEL_QUEUE_ADMIN_H

#include <uv.h>

struct desk;
struct schedule;

/* Serve one connection, taking the socket. One question at a time is open on it. */
void admin_add(
    uv_loop_t *loop, struct desk *desk, struct schedule *schedule, int socket);

#endif
