/*
 * Where a leased recipient goes: lookup says; then it is expanded, fails, or goes to
 * whoever delivers there.
 */
#ifndef AMPEL_QUEUE_ROUTING_H
#define AMPEL_QUEUE_ROUTING_H

struct flight;

void routing_ask(struct flight *f);

#endif
