/*
 * The client on standard input and output, waited for: whatever they are, a socket, pipes,
 * what stunnel hands on. They are left blocking, since others may have them too.
 */
#ifndef AMPEL_POP3D_STDIO_WIRE_H
#define AMPEL_POP3D_STDIO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"

/* Whether fd is readable, or at its end, before the time is over. */
bool    stdio_wait_readable(int fd, int timeout_ms);
/* 0: the client is gone; -1: nothing came in time. */
ssize_t stdio_receive(char *p, size_t n, int timeout_ms);
/* False: he is gone, or has taken nothing for so long. */
bool    stdio_send(struct bytes text, int timeout_ms);
/* He has heard all: wait a moment until he hangs up, so that nothing is lost. */
void    stdio_linger(void);

#endif
