/* Assignments in an array, for tests. Rows are in lower case. */
#ifndef AMPEL_TESTS_ASSIGNED_H
#define AMPEL_TESTS_ASSIGNED_H

#include "mail/assignments.h"

struct assigned_row {
	const char *key, *user, *dash, *ext;
};

struct assigned {
	const struct assigned_row *rows;
	size_t                     n;
	unsigned                   asked; /* how often */
	struct assignments         assignments;
};

static bool
assigned_find(const void *source, struct bytes key, struct assignment *out)
{
	struct assigned *a = *(struct assigned *const *)source;

	a->asked++;
	for (size_t i = 0; i < a->n; i++)
		if (bytes_equal(key, bytes_of(a->rows[i].key))) {
			*out = (struct assignment){
				.user = bytes_of(a->rows[i].user),
				.uid = 2000, .gid = 2000,
				.home = BYTES("/home"),
				.dash = bytes_of(a->rows[i].dash),
				.ext = bytes_of(a->rows[i].ext),
			};
			return true;
		}
	return false;
}

/* self is a pointer to a that lives as long. */
static void
assigned_init(struct assigned *a, struct assigned **self,
    const struct assigned_row *rows, size_t n)
{
	*self = a;
	*a = (struct assigned){ .rows = rows, .n = n };
	a->assignments.find = assigned_find;
	a->assignments.source = self;
	for (size_t i = 0; i < n; i++) {
		struct bytes key = bytes_of(rows[i].key);

		if (key.p[0] != '+')
			continue;
		if (key.n == 1)
			a->assignments.has_empty_prefix = true;
		else
			a->assignments.ends_prefix[(unsigned char)key.p[key.n - 1]] = true;
	}
}

#endif
