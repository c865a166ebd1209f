/*
 * For which user which agent delivers: learned from the supervisor, forgotten with
 * the agent.
 */
#ifndef AMPEL_QUEUE_USERS_H
#define AMPEL_QUEUE_USERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "queue/flight.h"

struct user {
	struct user  *next;
	char          name[DIRECTORY_USER_MAX + 1];
	struct agent *agent;    /* NULL: none is known */
	uint64_t      known_ms; /* since when it is */
	bool          is_asked; /* the supervisor was */
	struct flight waiting;  /* ring */
};

enum {
	USERS_BUCKETS = 256,
	/* Then the supervisor is asked once more: he may have got another home, or uid. */
	USERS_KNOWN_MS = 60 * 1000,
};

struct users {
	struct user *buckets[USERS_BUCKETS];
};

struct user *users_find(struct users *u, struct bytes name);
/* Made when it is not there. NULL: no memory, or no name of a user. */
struct user *users_get(struct users *u, struct bytes name);
/* Forget a user that has no agent and nothing waiting. */
void users_drop_idle(struct users *u, struct user *user);
void users_forget_agent(struct users *u, const struct agent *agent);

#endif
