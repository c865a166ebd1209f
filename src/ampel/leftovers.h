/*
 * Whether everything is gone after a stop: the server and its children are taken down by
 * pidfd while it still lives, so that no other process can be mistaken for one of them.
 */
#ifndef AMPEL_AMPEL_LEFTOVERS_H
#define AMPEL_AMPEL_LEFTOVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Beyond them a child is not looked for; the server itself is. */
enum { LEFTOVERS_MAX = 512 };

struct leftovers {
	struct {
		int   fd;
		pid_t pid;
	} process[LEFTOVERS_MAX];
	size_t n; /* the server is the first */
};

/* False when the server has ended already. leftovers_close in any case. */
bool leftovers_take(struct leftovers *l, pid_t server);
void leftovers_close(struct leftovers *l);

/* Whether the server has ended within that time. */
bool leftovers_wait_for_server(const struct leftovers *l, unsigned timeout_ms);
/* And its children; one that has not is named in error. */
bool leftovers_wait_for_children(
    const struct leftovers *l, unsigned timeout_ms, char *error, size_t size);

#endif
