#include "base/table.h"

#include <stdint.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 64 };

struct table_slot {
	struct bytes key;
	void        *value; /* NULL: the slot is free */
};

void
table_finish(struct table *t)
{
	free(t->slots);
	*t = (struct table){ 0 };
}

/* FNV-1a, folded so that its better upper bits count too. */
static uint64_t
hash(struct bytes key)
{
	uint64_t h = 14695981039346656037U;

	for (size_t i = 0; i < key.n; i++)
		h = (h ^ (unsigned char)key.p[i]) * 1099511628211U;
	return h ^ h >> 32;
}

/*
 * The slot that holds key, or the free one where it belongs. There always is a
 * free one: at most half of them are taken.
 */
static struct table_slot *
probe(struct table_slot *slots, size_t n_slots, struct bytes key)
{
	size_t at = hash(key) & (n_slots - 1);

	while (slots[at].value != NULL && !bytes_equal(slots[at].key, key))
		at = (at + 1) & (n_slots - 1);
	return &slots[at];
}

static bool
grow(struct table *t)
{
	size_t             n_slots = t->n_slots ? t->n_slots * 2 : FIRST_SLOTS;
	struct table_slot *slots = calloc(n_slots, sizeof *slots);

	if (slots == NULL)
		return false;
	for (size_t i = 0; i < t->n_slots; i++)
		if (t->slots[i].value != NULL)
			*probe(slots, n_slots, t->slots[i].key) = t->slots[i];
	free(t->slots);
	t->slots = slots;
	t->n_slots = n_slots;
	return true;
}

enum table_added
table_add(struct table *t, struct bytes key, void *value)
{
	struct table_slot *slot;

	if (t->n >= t->n_slots / 2 && !grow(t))
		return TABLE_NO_MEMORY;
	slot = probe(t->slots, t->n_slots, key);
	if (slot->value != NULL)
		return TABLE_EXISTS;
	*slot = (struct table_slot){ key, value };
	t->n++;
	return TABLE_ADDED;
}

void *
table_find(const struct table *t, struct bytes key)
{
	if (t->n_slots == 0)
		return NULL;
	return probe(t->slots, t->n_slots, key)->value;
}
