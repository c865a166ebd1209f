/*
 * The question of smtpd and pop3d who may connect, and what is known of him (ASK_CONNECT): by the
 * rules, and the `inside` networks. Answered while it is read, unless a rule is about
 * names. A handler of permits; its context is the office.
 */
#ifndef AMPEL_LOOKUP_CONNECTIONS_H
#define AMPEL_LOOKUP_CONNECTIONS_H

#include "io/peer.h"
#include "lookup/asker.h"

peer_handler connections_ask;

/* That asker is gone: nothing is sent to him any more. */
void connections_forget(struct office *office, const struct peer *asker);

#endif
