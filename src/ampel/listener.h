/*
 * The listening sockets, bound by the supervisor and handed to the workers of their
 * listener. A socket outlives its workers: clients that connect while one is
 * restarted wait in the backlog.
 */
#ifndef AMPEL_AMPEL_LISTENER_H
#define AMPEL_AMPEL_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/config.h"

struct instance;
struct supervisor;

struct listener {
	struct listener *next;
	char             name[64];
	char             address[128];
	int              socket;
	bool             is_path; /* address is one, of a Unix socket: ours to remove */
};

/*
 * Bind every address of a listen block, adding to *list. False with a line in error;
 * what was bound stays in the list.
 */
bool listener_open(struct listener **list, const struct config_listen *block,
    char *error, size_t size);
/* Close those of one name; NULL: all. */
void listener_close(struct listener **list, const char *name);
/* Give a worker the sockets of its listener. */
void listener_hand_out(const struct listener *list, struct instance *worker);

#endif
