/* What a program of a .qmail file is told in its environment: qmail-command(8). */
#ifndef AMPEL_DELIVER_ENVIRONMENT_H
#define AMPEL_DELIVER_ENVIRONMENT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "deliver/trace.h"

/* Addresses are the sender's to choose: programs must quote them. */
struct environment {
	struct bytes        id;        /* text */
	struct bytes        sender;    /* the reverse-path */
	struct bytes        new_sender; /* of forwards */
	struct bytes        recipient; /* local@host */
	struct bytes        local, host, ext;
	struct bytes        matched;   /* by "default", when has_default */
	bool                has_default;
	struct bytes        user, home;
	const struct trace *trace;
};

/* Ends with NULL. NULL: no memory in the arena, or a NUL somewhere. */
const char *const *environment_make(
    const struct environment *e, struct arena *arena);

#endif
