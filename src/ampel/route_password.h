/* The password of a route: the one secret that is kept in the clear, in a file of its own. */
#ifndef AMPEL_AMPEL_ROUTE_PASSWORD_H
#define AMPEL_AMPEL_ROUTE_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "mail/config.h"

/*
 * Read it from the route's file, one line, into a buffer that the caller wipes. False: error
 * says, with the file's name, that it cannot be read, that others than root and ampel-remote
 * may read it too, or that there is no password in it.
 */
bool route_password_read(const struct config *config,
    const struct config_route *route, struct buf *password, char *error,
    size_t size);

#endif
