/*
 * qmail's control/virtualdomains: "key:prepend" lines. The key is "user@domain", "domain",
 * ".suffix" or empty; prepend goes in front of the local part, with a '-'; an empty one is an
 * exception. Comments and empty lines as in all of control/: proto/qmail_control.h.
 */
#ifndef AMPEL_PROTO_VIRTUAL_DOMAINS_H
#define AMPEL_PROTO_VIRTUAL_DOMAINS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "mail/directory.h"
#include "mail/mistakes.h"

enum { VIRTUAL_DOMAINS_MAX = 64 * 1024 * 1024 };

/* Every good line goes to the directory, every other is a mistake. */
void virtual_domains_read(struct directory *d, struct bytes text,
    struct arena *arena, struct mistakes *mistakes);

#endif
