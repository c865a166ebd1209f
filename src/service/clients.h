/*
 * The clients of a worker, from its listening sockets to the end of each connection:
 * they are counted, lookup is asked about them, time is kept, and they are told when
 * the worker stops. What is said in between is the program's: it has a session for each.
 */
#ifndef AMPEL_SERVICE_CLIENTS_H
#define AMPEL_SERVICE_CLIENTS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "service/limits.h"
#include "service/listeners.h"
#include "service/lookup_client.h"
#include "service/wire.h"

/* The program's. Its first member is the client; it is zeroed before begin. */
struct session;

struct client_calls {
	size_t session_bytes;

	/* A client came. context: as clients_init has it. */
	void     (*begin)(struct session *s, void *context);
	/*
	 * Too many are here; release follows. Returns the code for the log, if there is
	 * one. NULL: nothing is said.
	 */
	unsigned (*refuse)(struct session *s, enum limits_result why);
	/*
	 * What lookup says; of one on a Unix socket, client->account is set. It is client_secure then that goes on, or the state becomes
	 * CLIENT_OPEN and run follows.
	 */
	void     (*connected)(
	    struct session *s, const struct lookup_client_rights *rights);
	/* The handshake is done, and the client is open. run follows. */
	void     (*secured)(struct session *s);

	/* How much may come, while it is open. */
	size_t (*room)(const struct session *s);
	/* That much came. run follows. */
	void   (*input)(struct session *s, struct bytes text);
	/* Go on while it is open, until something is to be waited for. */
	void   (*run)(struct session *s);
	/* The client of an open one hears no more. run follows. */
	void   (*gone)(struct session *s);
	/* Each second. */
	void   (*check_deadline)(struct session *s, uint64_t now_ms);
	/* The worker stops, and it is open. run follows. */
	void   (*shut_down)(struct session *s);

	/*
	 * Free all but the connection; the state is still what it was. May come again. The
	 * one call that comes from inside others, client_close and client_linger.
	 */
	void (*release)(struct session *s);
};

enum client_state {
	CLIENT_CONNECTING, /* may that address connect? */
	CLIENT_SECURING,   /* the handshake */
	CLIENT_OPEN,
	CLIENT_LINGERING,  /* all is said; until the client has read it */
	CLIENT_CLOSED,
};

struct client {
	struct wire             wire; /* its owner is the session */
	enum client_state       state;
	struct client          *next, *before;
	struct clients         *all;
	struct lookup_question *question; /* any; forgotten with the client */
	uint64_t                began_ms, deadline_ms;
	bool                    has_ended; /* nothing more comes from the client */
	uint8_t                 address[16];
	char                    peer[INET6_ADDRSTRLEN]; /* or "local" */
	bool                    is_local; /* on a Unix socket: */
	uint32_t                uid;      /* whose it is, */
	struct bytes            account;  /* and what he is called, for `connected` alone */
};

struct clients {
	uv_loop_t                 *loop;
	struct bytes               listener; /* its name */
	const struct client_calls *calls;
	void                     (*emptied)(void *context);
	void                      *context;
	struct listeners           listeners;
	struct lookup_client      *lookup;
	struct limits              limits;
	struct client             *first;
	size_t                     n;
	unsigned                   n_refused; /* in this second */
	uv_timer_t                 timer;     /* one for all deadlines */
	bool                       is_stopping;
};

/*
 * send_buffer_bytes: as listeners has it. emptied: after clients_stop, the last one is
 * gone. False: no memory.
 */
bool clients_init(struct clients *all, uv_loop_t *loop, struct bytes listener,
    int send_buffer_bytes, const struct client_calls *calls,
    void (*emptied)(void *context), void *context);
/* Takes a listening socket. */
void clients_listen(struct clients *all, int socket);
/* Clients are taken from now on, that many in all and from one address. */
void clients_open(struct clients *all, size_t max, size_t max_per_address);
/* No new ones; calm the second time. */
void clients_stop(struct clients *all);

/* The story goes on: an answer came, or time is up. */
void client_pump(struct client *c);
/* That long from now; but when the worker stops, nobody sleeps until then. */
void client_set_deadline(struct client *c, uint64_t ms);
/* Nothing is read in the clear any more; it is closed when this takes too long. */
void client_secure(struct client *c, struct tls_context *tls, uint64_t timeout_ms);
/* All is said. */
void client_linger(struct client *c);
/* Its session is freed later. */
void client_close(struct client *c);

#endif
