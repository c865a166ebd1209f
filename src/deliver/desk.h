/*
 * Lookup's questions: has that user a .qmail file for an extension? Answered while they are
 * read.
 */
#ifndef AMPEL_DELIVER_DESK_H
#define AMPEL_DELIVER_DESK_H

#include <uv.h>

#include "deliver/users.h"
#include "io/peer.h"

/* Zeroed has nobody who asks. It must not move. */
struct desk {
	const struct users *users;
	void              (*asked)(void); /* somebody did */
	struct peer        *lookup;
};

/* Takes the socket of a lookup, which replaces an older one. */
void desk_connect(struct desk *d, uv_loop_t *loop, int socket);
void desk_finish(struct desk *d);

#endif
