#include "queue/users.h"

#include <stdlib.h>

static struct user **
bucket_of(struct users *u, struct bytes name)
{
	unsigned hash = 5381;

	for (size_t i = 0; i < name.n; i++)
		hash = hash * 33 + (unsigned char)name.p[i];
	return &u->buckets[hash % USERS_BUCKETS];
}

struct user *
users_find(struct users *u, struct bytes name)
{
	struct user *user = *bucket_of(u, name);

	while (user && !bytes_equal(bytes_of(user->name), name))
		user = user->next;
	return user;
}

struct user *
users_get(struct users *u, struct bytes name)
{
	struct user **bucket = bucket_of(u, name);
	struct user  *user = users_find(u, name);

	if (user)
		return user;
	user = calloc(1, sizeof *user);
	if (user == NULL ||
	    !bytes_to_string(name, user->name, sizeof user->name)) {
		free(user);
		return NULL;
	}
	flight_ring_init(&user->waiting);
	user->next = *bucket;
	*bucket = user;
	return user;
}

void
users_drop_idle(struct users *u, struct user *user)
{
	struct user **at = bucket_of(u, bytes_of(user->name));

	if (user->agent || flight_ring_first(&user->waiting))
		return;
	while (*at != user)
		at = &(*at)->next;
	*at = user->next;
	free(user);
}

void
users_forget_agent(struct users *u, const struct agent *agent)
{
	for (size_t i = 0; i < USERS_BUCKETS; i++)
		for (struct user *user = u->buckets[i], *next; user; user = next) {
			next = user->next;
			if (user->agent != agent)
				continue;
			user->agent = NULL;
			users_drop_idle(u, user);
		}
}
