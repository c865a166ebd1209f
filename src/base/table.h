/*
 * A hash table from bytes to a pointer, for tables that are built once and then
 * only read. Keys and values are the caller's and must outlive it. The hash has no
 * secret: keys come from the administrator's files, not from strangers.
 */
#ifndef AMPEL_BASE_TABLE_H
#define AMPEL_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct table_slot;

/* Zeroed is empty. */
struct table {
	struct table_slot *slots;
	size_t             n;
	size_t             n_slots;
};

void table_finish(struct table *t);

enum table_added { TABLE_ADDED, TABLE_EXISTS, TABLE_NO_MEMORY };

/* TABLE_EXISTS: the key was there, and its value stays. value is not NULL. */
enum table_added table_add(struct table *t, struct bytes key, void *value);
/* NULL when the key is not there. */
void            *table_find(const struct table *t, struct bytes key);

#endif
