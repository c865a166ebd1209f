/*
 * The queue's store: the only door to durable state. Calls block and are made by
 * one thread, the store's own; queue/desk.c batches requests for it.
 *
 * A message is an envelope, a body and one row per recipient. States of a
 * recipient, and who moves it:
 *
 *     (none) --PUT--> QUEUED --store_lease--> leased --FINISH--> DONE
 *                       ^ ^                     | |
 *                       | +------RELEASE--------+ +--FINISH failed+hold--> HELD
 *                       +-----KICK---- HELD <--HOLD-- QUEUED
 *
 * A lease is in memory only: a crash or a restart makes leased QUEUED again. FINISH
 * deferred is QUEUED with a later due time.
 *
 * Invariants, which hold after every call, kill and power cut:
 *  1. A PUT that answered DONE is there, whole, until its last recipient is DONE or
 *     REMOVEd. One that did not is there whole or not at all.
 *  2. A recipient is leased at most once at a time.
 *  3. FINISH and the messages that it causes are there together or not at all.
 *  4. A message has a body as long as it has a recipient that is QUEUED or HELD; a
 *     body goes with the last message that uses it.
 *  5. A body file is named by a row or it is removed at the next start; a row never
 *     names a file that is not there whole.
 *  6. A message never gets a recipient twice (same canonical address), however often
 *     aliases expand.
 */
#ifndef AMPEL_QUEUE_STORE_H
#define AMPEL_QUEUE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "mail/envelope.h"
#include "mail/outcome.h"

struct store;

enum {
	STORE_INLINE_BODY = 128 * 1024, /* a larger body is a file */
	STORE_LEASES_MAX = 4096,        /* recipients leased at once */
};

/*
 * Open or make the store in folder (0700, ours). NULL with a line in error (size
 * bytes) when it cannot be used: no access, a newer schema, damage, another process has
 * it open. Unnamed body files are removed.
 */
struct store *store_open(const char *folder, char *error, size_t size);
void          store_close(struct store *s);

enum store_result {
	/* The commit failed, it may or may not be there: 451. Of one PUT alone: its body
	 * could not be read or written as a file. */
	STORE_UNKNOWN = 0,
	STORE_DONE,
	STORE_REFUSED,     /* the same id with other content; impossible input */
	STORE_STALE,       /* the lease or the recipient is gone: nothing changed */
};

enum store_op_kind {
	STORE_PUT,     /* a new message */
	STORE_FINISH,  /* an outcome of a leased recipient */
	/* A lease of another process life is still held (HELLO). STALE when it is leased
	 * already, HELD or gone; REFUSED when STORE_LEASES_MAX are out. */
	STORE_EXTEND,
	STORE_RELEASE, /* a lease ends without an outcome */
	/* These three leave alone what is leased; STALE when there is nothing else. */
	STORE_HOLD,    /* QUEUED recipients of a message wait for the administrator */
	STORE_KICK,    /* HELD or QUEUED recipients are due now */
	STORE_REMOVE,  /* recipients are gone, by the administrator */
	STORE_KICK_ALL, /* every QUEUED recipient is due now; HELD ones stay. STALE: none */
};

struct store_put {
	/* A recipient with the address of an earlier one is left out. REFUSED when
	 * size_bytes is not the size of the body, or when there is no recipient. */
	const struct envelope *envelope;
	int                    body;       /* descriptor, read with pread; not closed */
	const struct id       *reuse_body; /* or the stored body of that message */
	uint64_t               due_ms;
};

struct store_finish {
	uint64_t            token;
	struct outcome      outcome;
	uint64_t            due_ms;     /* deferred: the next attempt; expanded: not
	                                 * before that, 0: as it was */
	bool                hold;       /* failed: HELD instead of DONE */
	bool                is_warned;  /* deferred: its sender has been told of the delay */
	const struct envelope_recipient *expanded; /* expanded: these instead */
	size_t              n_expanded;
	struct bytes        reverse_path;   /* expanded: theirs; empty: as it was */
	const struct store_put *caused; /* bounces, forwards: same transaction */
	size_t              n_caused;
};

struct store_op {
	enum store_op_kind kind;
	enum store_result  result; /* set by store_commit */
	struct store_put    put;       /* PUT */
	struct store_finish finish;    /* FINISH */
	uint64_t            token;     /* RELEASE */
	bool                attempted; /* RELEASE: it may have been delivered unreported */
	struct id           id;        /* EXTEND, HOLD, KICK, REMOVE */
	uint32_t            recipient; /* EXTEND; the others: STORE_ALL or one */
	uint64_t            now_ms;    /* KICK, KICK_ALL */
	uint64_t            extended;  /* EXTEND: the new token, set by store_commit */
	/* EXTEND, when lease is not NULL: what store_lease would have given, set by
	 * store_commit, with its views in arena. UNKNOWN when that is full. */
	struct store_lease *lease;
	struct arena       *arena;
	uint64_t            kicked;    /* KICK_ALL: how many, set by store_commit */
};

#define STORE_ALL UINT32_MAX

/*
 * All ops in one transaction, each whole or not at all, with its own result. When the
 * commit itself fails every result is UNKNOWN. On return with DONE it is on disk.
 */
void store_commit(struct store *s, struct store_op *ops[], size_t n);

/* How many recipients of a destination (domain, lower case) may be leased now. */
struct store_limit {
	struct bytes destination;
	size_t       left;
};

struct store_want {
	uint64_t                  now_ms;
	const struct store_limit *limits; /* those that are not at `others` */
	size_t                    n_limits;
	size_t                    others; /* for any other destination */
};

struct store_lease {
	uint64_t     token;
	struct id    id;
	uint32_t     recipient;    /* index in the message */
	struct bytes address;
	struct bytes original;
	struct bytes reverse_path;
	uint64_t     arrival_ms;
	uint64_t     size_bytes;
	uint32_t     attempts;     /* that were deferred */
	bool         repeated;     /* an earlier attempt may have delivered unreported */
	enum colour  colour;
	bool         is_expanded;  /* came out of an alias */
	bool         is_alone;     /* the message never had another recipient */
	bool         is_warned;
	/* as mail/envelope.h has them */
	uint8_t            notify;
	struct bytes       orcpt;
	enum envelope_ret  ret;
	struct bytes       envid;
	enum envelope_body body;
	bool               smtputf8;
};

/*
 * At most max due recipients, oldest due first, none held twice, each with a token.
 * Behind thousands that are due and at their limit others come in a loose order: a new
 * message at once, an old one perhaps only with one of the next calls. Views live in
 * arena. Whatever was in the store when it was opened is `repeated` the first time.
 * Returns the number; 0 also when STORE_LEASES_MAX are out.
 */
size_t store_lease(struct store *s, const struct store_want *want,
    struct arena *arena, struct store_lease *out, size_t max);

/* When the next recipient that is not leased gets due; UINT64_MAX: none. */
uint64_t store_next_due(struct store *s);

/*
 * A readable descriptor of the whole body, close-on-exec; the caller's. -1: none. Read
 * it with pread: its offset may be shared with others who have the body.
 */
int store_body(struct store *s, const struct id *id);

struct store_stats {
	uint64_t messages, queued, leased, held;
};
void store_stats(struct store *s, struct store_stats *out);

enum store_state { STORE_QUEUED, STORE_LEASED, STORE_HELD };

struct store_row {
	struct id        id;
	uint32_t         recipient;
	uint64_t         arrival_ms;
	uint64_t         size_bytes;
	struct bytes     reverse_path;
	struct bytes     address;
	enum store_state state;
	uint64_t         due_ms;
	uint32_t         attempts;
	struct bytes     text; /* of the last outcome, status code first */
};

/* Rows behind `after` (id, recipient; NULL: from the start) in the order of ids. */
size_t store_list(struct store *s, const struct store_row *after,
    struct arena *arena, struct store_row *out, size_t max);

#endif
