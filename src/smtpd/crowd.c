#include "smtpd/crowd.h"

#include <string.h>

#include "base/network.h"

enum { IPV6_KEY = 8 };

static void
make_key(uint8_t key[16], const uint8_t address[16])
{
	memcpy(key, address, 16);
	if (!network_is_ipv4(address))
		memset(key + IPV6_KEY, 0, 16 - IPV6_KEY);
}

static size_t
row_of(const struct crowd *c, const uint8_t key[16])
{
	uint64_t hash = c->seed;

	for (size_t i = 0; i < 16; i++)
		hash = (hash ^ key[i]) * UINT64_C(1099511628211);
	return (size_t)((hash ^ hash >> 32) % CROWD_ROWS);
}

size_t
crowd_count(const struct crowd *c, const uint8_t address[16])
{
	uint8_t key[16];
	size_t  n = 0;

	make_key(key, address);
	for (const struct crowd_member *m = c->rows[row_of(c, key)]; m;
	     m = m->next)
		n += memcmp(m->key, key, sizeof key) == 0;
	return n;
}

void
crowd_join(struct crowd *c, struct crowd_member *member, const uint8_t address[16])
{
	struct crowd_member **row;

	make_key(member->key, address);
	row = &c->rows[row_of(c, member->key)];
	member->before = NULL;
	member->next = *row;
	if (*row)
		(*row)->before = member;
	*row = member;
}

void
crowd_leave(struct crowd *c, struct crowd_member *member)
{
	struct crowd_member **row = &c->rows[row_of(c, member->key)];

	if (member->before == NULL && *row != member)
		return;
	if (member->before)
		member->before->next = member->next;
	else
		*row = member->next;
	if (member->next)
		member->next->before = member->before;
	member->next = member->before = NULL;
}
