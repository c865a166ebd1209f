/* The blocks "route" and "dns" of the configuration: where mail for other hosts goes. */
#ifndef AMPEL_MAIL_CONFIG_ROUTE_H
#define AMPEL_MAIL_CONFIG_ROUTE_H

#include "mail/config_tree.h"
#include "mail/mistakes.h"

struct config;

/* Into the next of c->route, for which there is room. domains are read already. */
void config_route_read(struct config *c, const struct config_block *block,
    struct mistakes *mistakes);

void config_dns_read(struct config *c, const struct config_block *block,
    struct mistakes *mistakes);

#endif
