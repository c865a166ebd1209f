#include "mail/assignments.h"

#include "mail/directory.h"

/* The key of a local part, "=" and all of it, in lower case. */
static bool
key_of(char room[DIRECTORY_USER_MAX], struct bytes local)
{
	if (local.n > DIRECTORY_USER_MAX - 1)
		return false;
	room[0] = '=';
	for (size_t i = 0; i < local.n; i++)
		room[1 + i] = byte_lower(local.p[i]);
	return true;
}

static bool
may_be_prefix(const struct assignments *a, struct bytes lower)
{
	if (lower.n == 0)
		return a->has_empty_prefix;
	return a->ends_prefix[(unsigned char)lower.p[lower.n - 1]];
}

/* What stands behind the dash, in arena. */
static struct bytes
join(struct arena *arena, struct bytes ext, struct bytes rest)
{
	char  *joined = arena_alloc(arena, ext.n + rest.n + 1);
	size_t n = 0;

	if (joined == NULL)
		return (struct bytes){ NULL, 0 };
	for (size_t i = 0; i < ext.n; i++)
		joined[n++] = ext.p[i];
	for (size_t i = 0; i < rest.n; i++)
		joined[n++] = rest.p[i];
	return (struct bytes){ joined, n };
}

/* room holds the key of local: the longest key that is there is left in *found. */
static bool
find_longest(const struct assignments *a, char room[DIRECTORY_USER_MAX],
    struct bytes local, struct assignment *out, struct bytes *found)
{
	*found = (struct bytes){ room, 1 + local.n };
	if (a->find(a->source, *found, out))
		return true;
	room[0] = '+';
	for (; found->n > 0; found->n--)
		if (may_be_prefix(a, bytes_from(*found, 1)) &&
		    a->find(a->source, *found, out))
			return true;
	return false;
}

bool
assignments_route(const struct assignments *a, struct arena *arena,
    struct bytes local, struct assignment *out, struct bytes *key,
    struct bytes *extension)
{
	char         room[DIRECTORY_USER_MAX];
	struct bytes found, rest;

	if (!key_of(room, local) || !find_longest(a, room, local, out, &found))
		return false;
	rest = bytes_from(local, found.n - 1);
	*key = arena_copy(arena, found);
	*extension = join(arena, out->ext, rest);
	return true;
}
