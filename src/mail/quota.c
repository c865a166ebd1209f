#include "mail/quota.h"

#include <stdlib.h>
#include <string.h>

#define DAY_MS ((uint64_t)24 * 60 * 60 * 1000)

struct quota_entry {
	struct quota_entry *next;
	uint64_t            used;     /* in parts of a recipient, DAY_MS each */
	uint64_t            since_ms; /* when that was so */
	char                name[];
};

void
quota_finish(struct quota *q)
{
	while (q->entries) {
		struct quota_entry *next = q->entries->next;

		free(q->entries);
		q->entries = next;
	}
	table_finish(&q->table);
	*q = (struct quota){ 0 };
}

static struct quota_entry *
new_entry(struct quota *q, struct bytes user, uint64_t now_ms)
{
	struct quota_entry *e;

	if (q->table.n >= QUOTA_USERS_MAX)
		quota_finish(q);
	e = malloc(sizeof *e + user.n);
	if (e == NULL)
		return NULL;
	*e = (struct quota_entry){ .next = q->entries, .since_ms = now_ms };
	memcpy(e->name, user.p, user.n);
	if (table_add(&q->table, (struct bytes){ e->name, user.n }, e) !=
	    TABLE_ADDED) {
		free(e);
		return NULL;
	}
	q->entries = e;
	return e;
}

/* In a day `daily` recipients come back: in a millisecond that many parts. */
static void
give_back(struct quota_entry *e, uint64_t daily, uint64_t now_ms)
{
	uint64_t passed = now_ms > e->since_ms ? now_ms - e->since_ms : 0;

	if (passed >= DAY_MS || passed * daily >= e->used)
		e->used = 0;
	else
		e->used -= passed * daily;
	e->since_ms = now_ms;
}

bool
quota_take(struct quota *q, struct bytes user, uint64_t daily, uint64_t now_ms)
{
	struct quota_entry *e = table_find(&q->table, user);

	if (e == NULL)
		e = new_entry(q, user, now_ms);
	if (e == NULL)
		return true;
	give_back(e, daily, now_ms);
	if (e->used + DAY_MS > daily * DAY_MS)
		return false;
	e->used += DAY_MS;
	return true;
}
