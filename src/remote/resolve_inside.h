/* A question from inside: resolve.c and the files beside it. */
#ifndef AMPEL_REMOTE_RESOLVE_INSIDE_H
#define AMPEL_REMOTE_RESOLVE_INSIDE_H

#include "remote/resolve.h"

enum { ADDRESSES_READ_MAX = 64 }; /* of one host; some of them are used */

enum { ANSWER_A, ANSWER_AAAA, ANSWERS };

struct resolving {
	const struct resolver  *resolver;
	const struct itinerary *to;
	struct plan            *plan;
	resolved               *done;
	void                   *context;
	bool                    is_starting; /* done must not be called yet */
	bool                    is_over;

	/* Of all hosts. */
	size_t                  hop;         /* that is looked at */
	struct dns_question    *question;    /* MX or TLSA */
	struct policy_question *policy;
	struct problem          problem;     /* of the last hop without a host */

	/* Of one. */
	struct host         *host;
	struct dns_question *questions[ANSWERS];
	enum dns_result      results[ANSWERS];
	uint8_t              addresses[ADDRESSES_READ_MAX][16];
	size_t               n_addresses;
	bool                 is_insecure;  /* any of the addresses */
	char                 canonical[DNS_NAME_MAX + 1];
	bool                 is_base_tried; /* the canonical name has no TLSA records */
};

/* To begin; NULL: no memory. What is over before resolve_begun was not to be asked. */
struct resolving *resolve_begin(const struct resolver *r,
    const struct itinerary *to, struct plan *plan, resolved *done, void *context);
struct resolving *resolve_begun(struct resolving *q);
/* It is over, and freed: the last thing that is done. */
void              resolve_finish(struct resolving *q);

uint64_t resolve_random(void);
/*
 * What DNS does not say; result is not DNS_FOUND. none: the status of what is not there; what: "MX
 * records".
 */
void resolve_set_problem(struct problem *p, const struct itinerary *to,
    enum dns_result result, struct status none, struct bytes text,
    const char *what, struct bytes name);

#endif
