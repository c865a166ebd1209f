#include "lookup/accounts.h"

#include <stdlib.h>

void
accounts_finish(struct accounts *a)
{
	for (size_t i = 0; i < ACCOUNTS_BUCKETS; i++)
		while (a->buckets[i]) {
			struct account *next = a->buckets[i]->next;

			free(a->buckets[i]);
			a->buckets[i] = next;
		}
}

/* The hash has no secret: names come from the administrator's files. */
static struct account **
bucket_of(struct accounts *a, struct bytes name)
{
	unsigned hash = 5381;

	for (size_t i = 0; i < name.n; i++)
		hash = hash * 33 + (unsigned char)name.p[i];
	return &a->buckets[hash % ACCOUNTS_BUCKETS];
}

struct account *
accounts_find(struct accounts *a, struct bytes name)
{
	struct account *account = *bucket_of(a, name);

	while (account && !bytes_equal(bytes_of(account->name), name))
		account = account->next;
	return account;
}

struct account *
accounts_get(struct accounts *a, struct bytes name)
{
	struct account **bucket = bucket_of(a, name);
	struct account  *account = accounts_find(a, name);

	if (account)
		return account;
	account = calloc(1, sizeof *account);
	if (account == NULL || name.n == 0 ||
	    !bytes_to_string(name, account->name, sizeof account->name)) {
		free(account);
		return NULL;
	}
	account->next = *bucket;
	*bucket = account;
	return account;
}

void
accounts_drop_idle(struct accounts *a, struct account *account)
{
	struct account **at = bucket_of(a, bytes_of(account->name));

	if (account->process || account->is_wanted || account->n_open > 0)
		return;
	while (*at != account)
		at = &(*at)->next;
	*at = account->next;
	free(account);
}

void
accounts_forget_process(struct accounts *a, const struct process *process)
{
	for (size_t i = 0; i < ACCOUNTS_BUCKETS; i++)
		for (struct account *at = a->buckets[i], *next; at; at = next) {
			next = at->next;
			if (at->process != process)
				continue;
			at->process = NULL;
			accounts_drop_idle(a, at);
		}
}
