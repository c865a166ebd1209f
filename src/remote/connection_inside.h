/* A connection from inside: connection.c and the files beside it. */
#ifndef AMPEL_REMOTE_CONNECTION_INSIDE_H
#define AMPEL_REMOTE_CONNECTION_INSIDE_H

#include <uv.h>

#include "remote/body.h"
#include "remote/connection.h"

enum { CONNECTION_PROTECTION_MAX = 256 };

enum connection_state {
	STATE_BEGINNING,   /* not yet in the loop */
	STATE_CONNECTING,
	STATE_SECURING,    /* the handshake */
	STATE_TALKING,
	STATE_CLOSED,
};

struct connection {
	struct connection_place place;
	enum connection_state   state;
	uv_poll_t               poll;
	uv_timer_t              timer;      /* the only one: for what is waited for now */
	uv_idle_t               later;      /* something is to be done in the next turn */
	size_t                  handles;    /* that libuv still has */
	int                     socket;
	int                     watched;    /* the events that poll watches */
	struct smtp_client     *smtp;
	struct tls             *tls;
	struct connection_order order;

	struct batch batch;
	struct body  body;                  /* of the batch */
	bool         is_under_way;          /* a transaction */
	uint64_t     transaction_until_ms;

	uint64_t     opened_ms;
	bool         has_been_ready;
	bool         is_idle;
	bool         is_quitting;
	bool         is_abandoned;
	bool         is_past_end;
	bool         is_blocked;            /* output waits */
	bool         has_ended;             /* the server, as the engine was told */
	unsigned     transactions;
	struct problem problem;
	char         protection[CONNECTION_PROTECTION_MAX];
};

/* --- connection.c --- */

/* It cannot be used; `ended` has come when this returns. */
void connection_fail(struct connection *c, enum problem_kind kind,
    struct status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* For what is waited for now; a transaction as a whole has its end, too. */
void connection_set_deadline(struct connection *c, uint64_t ms);
/*
 * The server owes us something new. It is not set anew for each byte that comes, so that one
 * byte now and then holds no connection.
 */
void connection_restart_clock(struct connection *c);

/* --- connection_bytes.c: between the network, TLS and the engine --- */

enum connection_said { SAID, SAID_SOME, SAID_BROKEN };

/* What the engine and TLS have for the network goes out, as far as it can. */
enum connection_said connection_flush(struct connection *c);
/* The same, in the story: what does not go out waits, and the server has time to answer. */
enum connection_said connection_say(struct connection *c);
/* What is there is read once. */
void connection_hear(struct connection *c);
/* One piece of plain text that is there goes to the engine. False: nothing moved. */
bool connection_open_sealed(struct connection *c);
/* The server sends no more, or hears no more. */
void connection_lost(struct connection *c);

/* False: no memory. */
bool connection_start_tls(struct connection *c);
/* The engine of TLS alone moves. */
void connection_shake_hands(struct connection *c);

/* --- connection_transaction.c --- */

/* False: nothing is to be sent; an end is waited for. */
bool connection_find_work(struct connection *c);
void connection_feed_body(struct connection *c);
void connection_end_transaction(struct connection *c);

#endif
