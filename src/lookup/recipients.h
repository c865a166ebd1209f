/*
 * The questions that are about a recipient: whether he exists (ASK_RECIPIENT), where he leads
 * (ASK_ROUTE). Answered while they are read, unless an account has to be asked for an extension
 * first. Handlers of permits; their context is the office.
 */
#ifndef AMPEL_LOOKUP_RECIPIENTS_H
#define AMPEL_LOOKUP_RECIPIENTS_H

#include "io/peer.h"
#include "lookup/asker.h"

peer_handler recipients_ask;
/*
 * Only for postmaster and abuse is an account asked: they lead elsewhere when it has no .qmail
 * file for them. What becomes of everybody else his deliver process finds out.
 */
peer_handler recipients_route;

/* That asker is gone: nothing is sent to him any more. */
void recipients_forget(struct office *office, const struct peer *asker);

#endif
