/*
 * "A mailbox for user NAME on this socket": the one thing that ampel-auth may ask root for,
 * after its own yes. Who NAME is: ampel/mail_user.h. A process for each login;
 * it ends by itself and is not started again. The far end of the socket is pop3d's, which
 * sees it close when no mailbox comes.
 */
#ifndef AMPEL_AMPEL_MAILBOX_H
#define AMPEL_AMPEL_MAILBOX_H

#include <stdint.h>

#include "base/bytes.h"

struct supervisor;
struct instance;

/* Takes the socket. */
void mailbox_want(struct supervisor *s, struct bytes user, int socket);
/* Its process has dropped its privileges: it is told whose mailbox it is, and works. */
void mailbox_prepared(struct instance *mailbox, uint64_t generation);

#endif
