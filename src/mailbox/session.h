/* What pop3d asks of a mailbox, and its answers: one session on one maildrop. */
#ifndef AMPEL_MAILBOX_SESSION_H
#define AMPEL_MAILBOX_SESSION_H

#include "service/errand.h"

/* To its end; the errand is over then. */
void session_run(struct errand *e);

#endif
