/*
 * The servers of one destination as DNS and policies have them, in the order in which they
 * are tried; how a connection to each must be protected; which of them failed meanwhile.
 * It is made anew after a while, or when all have failed.
 */
#ifndef AMPEL_REMOTE_PLAN_H
#define AMPEL_REMOTE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "io/tls.h"
#include "mail/exchange.h"
#include "proto/message.h"
#include "proto/smtp_client.h"
#include "remote/itinerary.h"
#include "remote/problem.h"

enum {
	PLAN_AGE_MIN_MS = 5 * 1000,  /* whatever the TTLs say */
	PLAN_AGE_MAX_MS = 5 * 60 * 1000,
	PLAN_FAILED_MS = 30 * 1000,  /* that there are no servers */
	HOST_NAMES_MAX = 3,
};

struct target {
	uint8_t address[16];
	bool    is_bad;
};

enum host_state { HOST_NEW, HOST_ASKED, HOST_KNOWN };

struct host {
	struct bytes    name;
	struct bytes    hop;        /* by which it was found */
	uint16_t        port;
	enum host_state state;
	bool            is_secure;  /* nobody but its operator says that it is the one */
	bool            is_numeric; /* name is an address */

	/* Once known. */
	struct target  *targets;
	size_t          n_targets;

	enum smtp_client_tls tls;
	enum tls_proof       proof;
	struct bytes         names[HOST_NAMES_MAX]; /* by which it may prove itself */
	size_t               n_names;
	struct tls_tlsa     *tlsa;
	size_t               n_tlsa;
	bool                 is_trial; /* MTA-STS in testing: a failure is only logged */
};

struct plan {
	struct arena   arena;
	size_t         held;     /* by its destination, and by connections */
	struct host   *hosts;
	size_t         n_hosts;
	size_t         n_addresses;
	uint64_t       expires_ms;
	enum sts_mode  sts;
	struct bytes  *patterns;
	size_t         n_patterns;
	struct problem problem;  /* there are no hosts: why; else of those that failed, the last */
	bool           is_failed; /* there are no hosts */
};

/* Held once. NULL: no memory. */
struct plan *plan_new(uint64_t now_ms);
struct plan *plan_hold(struct plan *p);
/* Freed when nobody holds it. NULL is allowed. */
void         plan_drop(struct plan *p);

/* The answer is good for that long. */
void plan_limit_age(struct plan *p, uint64_t now_ms, uint32_t ttl_s);
/* False: no memory, or there are enough. */
bool plan_add_host(struct plan *p, const struct host *host);
/* There are none. */
void plan_fail(struct plan *p, uint64_t now_ms, enum problem_kind kind,
    struct status status, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* One of its servers, or what DNS says of it, cannot be used. */
void plan_note(struct plan *p, const struct problem *problem);

enum plan_next {
	PLAN_TARGET, /* *host and *target */
	PLAN_ASK,    /* the addresses of *host are to be asked for */
	PLAN_WAIT,   /* they are */
	PLAN_NONE,   /* all have failed */
};

enum plan_next plan_next(struct plan *p, struct host **host, struct target **target);
/* All have failed. */
bool           plan_is_exhausted(const struct plan *p);
/* All may be tried again. */
void           plan_forgive(struct plan *p);

/*
 * What the connection must be like, from what is known of the host: the route's word, else DANE, else
 * MTA-STS, else what it offers. False: it must not be used; *problem says why.
 */
bool host_decide(struct host *h, const struct itinerary *to, const struct plan *p,
    struct problem *problem);
/* TLS failed. True: it may be tried with less. */
bool host_relax(struct host *h);

#endif
