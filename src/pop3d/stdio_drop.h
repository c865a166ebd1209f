/* A maildrop (drop.h) for a session that waits for each answer. */
#ifndef AMPEL_POP3D_STDIO_DROP_H
#define AMPEL_POP3D_STDIO_DROP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "pop3d/drop.h"

struct stdio_drop {
	struct drop *drop; /* for drop_read and drop_remove; NULL: not open */

	/* The last answers. */
	bool         is_listed, is_open;
	struct bytes list;
	size_t       n_messages;
	size_t       n_failed;

	/* Private. */
	uv_loop_t    loop; /* only runs while an answer is waited for */
	uv_timer_t   tick;
	struct drops all;
	bool         is_asking;
};

/* False: no loop can be had. It stays where it is. */
bool stdio_drop_init(struct stdio_drop *d);
/* Calm when it was not opened. */
void stdio_drop_finish(struct stdio_drop *d);

/* Takes the socket. Whether there is a list. */
bool   stdio_drop_open(struct stdio_drop *d, int socket);
void   stdio_drop_close(struct stdio_drop *d);
/* Whether that message, from 1, can be read. */
bool   stdio_drop_message(struct stdio_drop *d, size_t number);
/* How many of those that were to be removed were not. */
size_t stdio_drop_update(struct stdio_drop *d);

#endif
