#include "mail/quota.h"

#include <string.h>

#define DAY_MS ((uint64_t)24 * 60 * 60 * 1000)

struct allowance {
	struct recent_entry entry;    /* first: an entry is one of these */
	uint64_t            used;     /* in parts of a recipient, DAY_MS each */
	uint64_t            since_ms; /* when that was so */
};

bool
quota_init(struct quota *q, uint64_t seed)
{
	return recent_init(
	    &q->users, QUOTA_USERS_MAX, sizeof(struct allowance), seed);
}

void
quota_finish(struct quota *q)
{
	recent_finish(&q->users);
}

static struct recent_key
key_of(struct bytes user)
{
	struct recent_key key = { { 0 } };

	user = bytes_first(user, sizeof key);
	if (user.n > 0)
		memcpy(key.words, user.p, user.n);
	return key;
}

/* In a day `daily` recipients come back: in a millisecond that many parts. */
static void
give_back(struct allowance *a, uint64_t daily, uint64_t now_ms)
{
	uint64_t passed = now_ms > a->since_ms ? now_ms - a->since_ms : 0;

	if (passed >= DAY_MS || passed * daily >= a->used)
		a->used = 0;
	else
		a->used -= passed * daily;
	a->since_ms = now_ms;
}

bool
quota_take(struct quota *q, struct bytes user, uint64_t daily, uint64_t now_ms)
{
	const struct recent_key key = key_of(user);
	struct allowance       *a =
	    (struct allowance *)recent_touch(&q->users, &key);

	if (a == NULL)
		return true;
	give_back(a, daily, now_ms);
	if (a->used + DAY_MS > daily * DAY_MS)
		return false;
	a->used += DAY_MS;
	return true;
}
