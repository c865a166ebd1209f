/*
 * For which account which deliver process works: learned from the supervisor, forgotten with
 * the process. An account is known while somebody serves it or a question about it is open.
 */
#ifndef AMPEL_LOOKUP_ACCOUNTS_H
#define AMPEL_LOOKUP_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "mail/directory.h"

struct process;

struct account {
	struct account *next;
	struct process *process;    /* NULL: none is known */
	uint64_t        known_ms;   /* since when it is */
	bool            is_wanted;  /* the supervisor was asked for one, */
	uint64_t        wanted_at;  /* when so many had come before, */
	bool            is_overdue; /* and its answer does not come */
	bool            is_silent;  /* the last question had no answer */
	size_t          n_open;     /* questions */
	char            name[DIRECTORY_USER_MAX + 1];
};

enum { ACCOUNTS_BUCKETS = 256 };

/* Zeroed is empty. */
struct accounts {
	struct account *buckets[ACCOUNTS_BUCKETS];
};

void accounts_finish(struct accounts *a);

struct account *accounts_find(struct accounts *a, struct bytes name);
/* Made when it is not there. NULL: no memory, or no name of an account. */
struct account *accounts_get(struct accounts *a, struct bytes name);
/* Forget one that nobody serves and nobody asks for. */
void accounts_drop_idle(struct accounts *a, struct account *account);
/* Accounts that have questions stay, without a process. */
void accounts_forget_process(struct accounts *a, const struct process *process);

#endif
