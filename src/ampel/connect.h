/*
 * Does anybody answer there? For helpers' ready addresses, and for `ampel start`,
 * which says ok only when every service answers. Blocking, on this host, briefly.
 */
#ifndef AMPEL_AMPEL_CONNECT_H
#define AMPEL_AMPEL_CONNECT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/network.h"

/* A connected socket, blocking with time-outs of timeout_ms; -1 with errno. */
int connect_to(const struct endpoint *e, unsigned timeout_ms);

/* Whether something accepts connections there. */
bool connect_answers(const struct endpoint *e);

/*
 * Whether an SMTP server greets there with 220, and is then told QUIT; else a line in
 * error.
 */
bool connect_greets(const struct endpoint *e, char *error, size_t size);
/* Whether a TLS server answers a ClientHello with its own; else a line in error. */
bool connect_secures(const struct endpoint *e, char *error, size_t size);

#endif
