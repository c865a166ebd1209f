/*
 * "Deliver for user NAME": the one thing that the queue, and lookup, may ask root for. Who NAME
 * is: ampel/mail_user.h.
 */
#ifndef AMPEL_AMPEL_WANT_H
#define AMPEL_AMPEL_WANT_H

#include "base/bytes.h"
#include "proto/message.h"

struct supervisor;
struct instance;

/*
 * The queue or lookup wants it; the answer, to whoever asked, is a DELIVER_FOR, now or when
 * deliver knows the user.
 */
void want_deliver(
    struct supervisor *s, enum peer_role asker, struct bytes user);

/* A deliver process has prepared, and is wired: tell it for whom. */
void want_tell_users(struct instance *deliver);
/* It has taken note of a user. */
void want_user_known(struct instance *deliver, struct bytes user);
/* It ended before that: whoever asked is told to try later. */
void want_fail_all(struct instance *deliver);
void want_forget_all(struct instance *deliver);

#endif
