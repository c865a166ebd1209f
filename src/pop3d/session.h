/*
 * One client's session: the driver of the POP3 engine. It joins the engine's questions
 * to auth and to the user's maildrop, its output to the wire, and keeps time.
 */
#ifndef AMPEL_POP3D_SESSION_H
#define AMPEL_POP3D_SESSION_H

#include "service/clients.h"

/* When the worker stops they end between two commands. */
extern const struct client_calls session_calls;

#endif
