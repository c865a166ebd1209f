/*
 * Who talks with whom: the arrows of the drawing in ARCHITECTURE.md.
 */
#ifndef AMPEL_AMPEL_WIRING_H
#define AMPEL_AMPEL_WIRING_H

#include "proto/message.h"

struct supervisor;
struct instance;

/*
 * An instance can be wired: give it, and each neighbour that can be wired too, the
 * ends of fresh socketpairs.
 */
void wiring_connect(struct supervisor *s, struct instance *i);
/* The judge came or went (reload): every smtpd gets its new neighbour. */
void wiring_reconnect_smtpd(struct supervisor *s);
/* One end of a pair for the administrator's command, the other goes to that program (queue,
 * dns). -1: it is not there. */
int  wiring_admin(struct supervisor *s, enum peer_role role);

#endif
