/*
 * One connection to one server: TCP, TLS, and the engine of SMTP between them, with a
 * deadline for whatever the server owes us. Its destination decides what goes over it.
 */
#ifndef AMPEL_REMOTE_CONNECTION_H
#define AMPEL_REMOTE_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "io/tls.h"
#include "proto/smtp_client.h"
#include "remote/parcel.h"
#include "remote/plan.h"
#include "remote/problem.h"

enum {
	CONNECTION_IDLE_MS = 3 * 1000,     /* without work; then QUIT */
	CONNECTION_QUIT_MS = 5 * 1000,     /* for the reply to that */
	CONNECTION_AGE_MS = 5 * 60 * 1000, /* no new transaction after that */
	CONNECTION_TRANSACTIONS_MAX = 100,
	/* A transaction takes at most that many times what one reply may take. */
	CONNECTION_TRANSACTION_TIMES = 12,
};

struct connection;

/* None comes from inside a call of its owner's. */
struct connection_calls {
	/*
	 * It can take a message: fill its batch. False: there is none now; then, unless
	 * connection_resume is called, it ends before long.
	 */
	bool (*ready)(struct connection *c, void *context);
	/* The transaction is over: connection_outcome of each in its batch, which is then cleared. */
	void (*done)(struct connection *c, void *context);
	/*
	 * It is over; c is freed behind this call. A batch that is not done has not been begun
	 * by the server: it may go elsewhere.
	 */
	void (*ended)(struct connection *c, void *context);
};

/* What it is to be. Views are copied, but those of policy and demand live as long. */
struct connection_order {
	struct smtp_client_policy      policy;
	struct tls_demand              demand;
	struct bytes                   name;       /* for people; empty: the address alone */
	uint8_t                        address[16];
	uint16_t                       port;
	uint64_t                       connect_timeout_ms;
	uint64_t                       timeout_ms; /* for a reply */
	struct tls_context            *tls;
	const struct connection_calls *calls;
	void                          *context;
};

/* NULL: no memory. Whatever else fails is told by `ended`. */
struct connection *connection_open(
    uv_loop_t *loop, const struct connection_order *order);

/* There may be work: `ready` comes again if it is idle. */
void connection_resume(struct connection *c);
/* QUIT, as soon as no transaction is under way; `ended` comes. */
void connection_quit(struct connection *c);
/* Break off, whatever is under way; `ended` comes. */
void connection_abandon(struct connection *c);

struct batch  *connection_batch(struct connection *c);
/* Of the batch's ith; only in `done`. Views live for that call. */
struct outcome connection_outcome(const struct connection *c, size_t i);

/* It has been ready at least once. */
bool connection_is_open(const struct connection *c);
/* Ready and without work. */
bool connection_is_idle(const struct connection *c);
/* The end of the message is on its way to the server, or there: it may be delivered. */
bool connection_is_past_end(const struct connection *c);
/* Transactions that went well. */
unsigned connection_transactions(const struct connection *c);
/* It may take another transaction, by its age and their number. */
bool connection_is_fresh(const struct connection *c);
/* In `ended`: why; PROBLEM_NONE: it has been ended well. */
const struct problem *connection_problem(const struct connection *c);

/* The owner's notes on it. */
struct connection_place {
	struct connection *next, *before;
	struct plan       *plan;   /* held */
	struct host       *host;   /* of plan */
	struct target     *target;
	bool               is_counted; /* among those that are open */
	bool               is_proven;  /* it has ended a transaction */
};
struct connection_place        *connection_place(struct connection *c);
const struct connection_order  *connection_order(const struct connection *c);

#endif
