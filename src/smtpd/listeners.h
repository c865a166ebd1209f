/* The listening sockets of a worker. */
#ifndef AMPEL_SMTPD_LISTENERS_H
#define AMPEL_SMTPD_LISTENERS_H

#include <stdbool.h>
#include <uv.h>

/* Accept from it. False: no memory, nothing was accepted; it is tried again. */
typedef bool listeners_accept(uv_stream_t *listening, void *context);

struct listening;

/* Zeroed but for the first three it has none. */
struct listeners {
	uv_loop_t        *loop;
	listeners_accept *accept;
	void             *context;
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
