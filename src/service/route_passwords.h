/*
 * The passwords of routes as they travel from the supervisor to ampel-remote, beside its
 * configuration: a line "DOMAIN PASSWORD" for each route with a user. Nothing is copied: the
 * text is wiped by whoever has read it.
 */
#ifndef AMPEL_SERVICE_ROUTE_PASSWORDS_H
#define AMPEL_SERVICE_ROUTE_PASSWORDS_H

#include "base/buf.h"
#include "base/bytes.h"

enum {
	ROUTE_PASSWORD_MAX = 1000, /* bytes; some providers give out tokens */
	ROUTE_PASSWORDS_MAX = 16 * 1024 * 1024,
};

/* What a password cannot be, for people; NULL: it can. */
const char *route_password_fault(struct bytes password);

/* One line. text has room for it, or its copies would not be wiped. */
void route_passwords_add(
    struct buf *text, struct bytes domain, struct bytes password);

/* That of the route for that domain, as it is written; empty: there is none. Borrows. */
struct bytes route_passwords_find(struct bytes text, struct bytes domain);

#endif
