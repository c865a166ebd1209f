/*
 * users/assign, as text or as a cdb. Whatever local part leads to an assignment, it has neither
 * root's uid nor gid, and an absolute home. Where no mistake was found, the one that is found alone
 * is the same as the one among all, and the bytes in which a text's prefixes end are known.
 *
 * The first line of the input is a local part, the others are the file. A file that begins with
 * "cdb" is a cdb without its first three bytes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mail/directory.h"
#include "proto/assign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_assignment(const struct assignment *a)
{
	if (a->uid == 0 || a->gid == 0 || a->user.n == 0 ||
	    !bytes_start(a->home, BYTES("/")) ||
	    memchr(a->home.p, '\0', a->home.n) != NULL)
		abort();
	if (a->dash.n > 0 && memchr(a->dash.p, '/', a->dash.n) != NULL)
		abort();
}

static void
check_same(const struct assignment *a, const struct assignment *b)
{
	if (a->uid != b->uid || a->gid != b->gid ||
	    !bytes_equal(a->user, b->user) || !bytes_equal(a->home, b->home) ||
	    !bytes_equal(a->dash, b->dash) || !bytes_equal(a->ext, b->ext))
		abort();
}

static void
check_route(const struct assign *assign, struct bytes content, struct bytes local,
    bool is_good)
{
	struct assignment a, alone;
	struct bytes      key, extension;
	struct arena      arena;

	arena_init(&arena, 64 * 1024);
	if (assignments_route(&assign->assignments, &arena, local, &a, &key,
	        &extension)) {
		check_assignment(&a);
		if (is_good && !assign_find_one(content, key, &alone))
			abort();
		if (is_good)
			check_same(&a, &alone);
		/* the rest of the local part stands behind ext, as it was written */
		if (extension.n < a.ext.n || key.n - 1 > local.n ||
		    !bytes_start(extension, a.ext) ||
		    !bytes_equal(bytes_from(extension, a.ext.n),
		        bytes_from(local, key.n - 1)))
			abort();
	}
	arena_finish(&arena);
}

/* No prefix is missed since its last byte was not known: all are looked up. */
static void
check_prefixes(const struct assign *assign, struct bytes local)
{
	struct assignments all = assign->assignments;
	struct assignment  a;
	struct bytes       key, extension, key_of_all;
	struct arena       arena;
	bool               is_found;

	arena_init(&arena, 64 * 1024);
	memset(all.ends_prefix, 1, sizeof all.ends_prefix);
	all.has_empty_prefix = true;
	is_found = assignments_route(
	    &assign->assignments, &arena, local, &a, &key, &extension);
	if (assignments_route(
	        &all, &arena, local, &a, &key_of_all, &extension) != is_found ||
	    (is_found && !bytes_equal(key, key_of_all)))
		abort();
	arena_finish(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes    content = { (const char *)data, size }, local = { "", 0 };
	struct mistakes mistakes = { .n = 0 };
	struct assign   assign;
	struct arena    arena;

	bytes_split(&content, '\n', &local);
	if (bytes_start(content, BYTES("cdb")))
		content = bytes_from(content, 3);
	arena_init(&arena, 16 * 1024 * 1024);
	assign_read(&assign, content, &arena, &mistakes);
	check_route(&assign, content, local, !mistakes_any(&mistakes));
	/* the tables of a cdb may lead to what is no record of it */
	if (!mistakes_any(&mistakes) && !constant_db_is(content))
		check_prefixes(&assign, local);
	assign_finish(&assign);
	arena_finish(&arena);
	return 0;
}
