/* Asking the supervisor over its control socket; blocking, for commands. */
#ifndef AMPEL_AMPEL_ASK_H
#define AMPEL_AMPEL_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "mail/config.h"
#include "proto/message.h"

/* A connection; -1 with errno (ENOENT, ECONNREFUSED: nothing runs). pid may be NULL. */
int ask_connect(const struct config *config, pid_t *pid);

/* Send a command for these services (none: all). */
bool ask_send(int socket, enum command_verb verb, char *const *names, size_t n);

/*
 * The next frame of the answer, in buffer (FRAME_MAX bytes): a LINE or the DONE. fds:
 * FRAME_DESCRIPTORS places. False when the connection ended.
 */
bool ask_receive(int socket, char *buffer, struct bytes *frame, int *fds);

/*
 * A neighbour itself, by way of the supervisor: verb is VERB_QUEUE or VERB_DNS, buffer
 * has FRAME_MAX bytes. A socket; or -1, the exit code is then in *code, and why was said.
 */
int ask_door(const struct config *config, enum command_verb verb, char *buffer,
    int *code);

#endif
