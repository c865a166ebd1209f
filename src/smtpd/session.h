/*
 * One client's session: the driver of the SMTP engine. It joins the engine's
 * questions to lookup and to the queue, its output to the wire, and keeps time.
 */
#ifndef AMPEL_SMTPD_SESSION_H
#define AMPEL_SMTPD_SESSION_H

#include "service/clients.h"

/* When the worker stops idle ones end, the others when their message has its answer. */
extern const struct client_calls session_calls;

#endif
