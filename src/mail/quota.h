/*
 * How much each user may still send in a day. What was used comes back evenly over the
 * day, so that there is no midnight to wait for. Kept in memory only: a restart
 * forgets it. Pure: the time comes in.
 */
#ifndef AMPEL_MAIL_QUOTA_H
#define AMPEL_MAIL_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/table.h"

enum { QUOTA_USERS_MAX = 100000 }; /* beyond: all are forgotten, memory stays bounded */

/* Zeroed is empty. */
struct quota {
	struct table         table;
	struct quota_entry  *entries;
};

void quota_finish(struct quota *q);

/*
 * Take one of `daily` from that user's allowance. False: he has used it up, and nothing is
 * taken. Without memory the answer is true: a limit is no reason to stop mail.
 */
bool quota_take(struct quota *q, struct bytes user, uint64_t daily, uint64_t now_ms);

#endif
