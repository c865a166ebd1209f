/*
 * How much each user may still send in a day. What was used comes back evenly over the
 * day, so that there is no midnight to wait for. Kept in memory only: a restart
 * forgets it. Pure: time and randomness come in.
 */
#ifndef AMPEL_MAIL_QUOTA_H
#define AMPEL_MAIL_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/recent.h"

enum { QUOTA_USERS_MAX = 100000 }; /* beyond, who sent longest ago is forgotten */

struct quota {
	struct recent users;
};

/* False: no memory. seed: random. */
bool quota_init(struct quota *q, uint64_t seed);
void quota_finish(struct quota *q);

/*
 * Take one of `daily` from that user's allowance; of a name its first 48 bytes count. False:
 * he has used it up, and nothing is taken. Without memory the answer is true: a limit is no
 * reason to stop mail.
 */
bool quota_take(struct quota *q, struct bytes user, uint64_t daily, uint64_t now_ms);

#endif
