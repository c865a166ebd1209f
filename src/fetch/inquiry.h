/*
 * What is done when somebody wants to know the policy of a domain: the DNS is asked
 * whether there is another than the one that is remembered, and if so that one is
 * retrieved. One inquiry for a domain at a time, whoever wants to know.
 */
#ifndef AMPEL_FETCH_INQUIRY_H
#define AMPEL_FETCH_INQUIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "fetch/announcement.h"
#include "fetch/journal.h"
#include "fetch/memory.h"
#include "fetch/retrieval.h"
#include "proto/dns_record.h"
#include "service/dns_client.h"

enum { INQUIRIES_MAX = 2000 };

struct waiter; /* the desk's */

struct inquiry {
	struct inquiry     *next, **link;
	struct inquiries   *all;
	struct waiter      *waiters;
	char                domain[DNS_NAME_MAX + 1];
	bool                is_answered; /* it is being refreshed: what is remembered counts */
	struct dns_question *question;
	struct announcement announced;
};

/*
 * It is answered: cached counts, NULL: no policy. why: one is announced and not to be
 * had, or empty. All live for the call, after which nobody may wait any more.
 */
typedef void inquired(
    struct inquiry *i, const struct sts_cached *cached, struct bytes why);

struct inquiries {
	struct memory    *memory;
	inquired         *answered;
	struct retrievals retrievals;
	struct journal    journal;
	struct inquiry   *first;
	size_t            n;
	uint64_t          n_retrieved, n_failed;
};

/* memory becomes theirs, unless it is false: there is no memory. */
bool inquiries_init(struct inquiries *all, uv_loop_t *loop,
    struct memory *memory, struct bytes authorities, inquired *answered);
void inquiries_finish(struct inquiries *all);

/*
 * domain: lower case. The one that is open, or a new one; its answer never comes from inside
 * this call. NULL: there are too many, or no memory.
 */
struct inquiry *inquiry_of(struct inquiries *all, struct bytes domain);

#endif
