/* The listening sockets of a worker. */
#ifndef AMPEL_SERVICE_LISTENERS_H
#define AMPEL_SERVICE_LISTENERS_H

#include <stdbool.h>
#include <uv.h>

/* Accept from it. False: no memory, nothing was accepted; it is tried again. */
typedef bool listeners_accept(uv_stream_t *listening, void *context);

struct listening;

/* Zeroed but for the first four it has none. */
struct listeners {
	uv_loop_t        *loop;
	listeners_accept *accept;
	void             *context;
	/*
	 * Of each client. Whoever only asks and never reads makes the kernel keep that much of
	 * the answers for him, and not the megabytes that it would grant.
	 */
	int               send_buffer_bytes;
	bool              is_open;
	struct listening *list;
};

/* Takes a bound and listening socket. */
void listeners_add(struct listeners *l, int socket);
/* Clients are taken from now on, by sockets added later too. */
void listeners_open(struct listeners *l);
/* Each second: whoever could not be taken is taken now. */
void listeners_retry(struct listeners *l);
void listeners_close(struct listeners *l);

#endif
