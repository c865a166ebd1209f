/*
 * Rules, as text or as cdb, and a cdb by itself. Invariants:
 *
 * - whatever is found in a cdb lies in it, and a walk through it ends,
 * - variables lie in the content or in the arena's text of it, and a value in the variables,
 * - of text without mistakes: with ":deny" behind it everybody for whom there was no rule is denied,
 *   and nothing changes for the others,
 * - who is allowed does not depend on a name that no rule asks for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/tcprules.h"

enum { MEMORY = 16 * 1024 * 1024 };

static const struct tcprules_client clients[] = {
	{ BYTES_INIT("192.0.2.1"), BYTES_INIT(""), BYTES_INIT("") },
	{ BYTES_INIT("10.2.3.4"), BYTES_INIT("mx.example.org"), BYTES_INIT("joe") },
	{ BYTES_INIT("2001:db8::1"), BYTES_INIT("a.example.org"), BYTES_INIT("") },
	{ BYTES_INIT("::1"), BYTES_INIT(""), BYTES_INIT("joe") },
};

enum { CLIENTS = sizeof clients / sizeof clients[0] };

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static bool
lies_in(struct bytes part, struct bytes whole)
{
	return part.n == 0 ||
	    (part.p >= whole.p && part.n <= whole.n &&
	        part.p + part.n <= whole.p + whole.n);
}

static void
walk(struct bytes content)
{
	struct constant_db db;
	struct bytes       key, data, found;
	size_t             at = 0, n = 0;

	if (!constant_db_open(&db, content))
		return;
	for (; constant_db_next(&db, &at, &key, &data); n++) {
		check(lies_in(key, content) && lies_in(data, content));
		check(n <= content.n);
		if (n < 100 && constant_db_find(&db, key, &found))
			check(lies_in(found, content));
	}
}

static void
check_variables(const struct tcprules_answer *answer)
{
	static const struct bytes names[] = { BYTES_INIT("RELAYCLIENT"),
		BYTES_INIT("DATABYTES"), BYTES_INIT("") };
	struct bytes value;

	for (size_t i = 0; i < 3; i++)
		if (tcprules_variable(answer, names[i], &value))
			check(lies_in(value, answer->variables) &&
			    memchr(value.p, '\0', value.n) == NULL);
}

/* ":deny" behind the rest. */
static void
check_end(struct bytes text, const struct tcprules *r)
{
	struct arena           arena;
	struct mistakes        mistakes = { .n = 0 };
	struct tcprules        longer;
	struct tcprules_answer a, b;
	struct buf             copy;

	buf_init(&copy, text.n + 16);
	buf_add_bytes(&copy, text);
	buf_add_string(&copy, "\n:deny\n");
	arena_init(&arena, MEMORY);
	tcprules_read(&longer, buf_bytes(&copy), &arena, &mistakes);
	check(!mistakes_any(&mistakes));
	check(tcprules_needs_name(r) == tcprules_needs_name(&longer));
	for (size_t i = 0; i < CLIENTS; i++) {
		tcprules_find(r, &clients[i], &a);
		tcprules_find(&longer, &clients[i], &b);
		check(b.is_found);
		check(b.allowed == (a.is_found && a.allowed));
	}
	arena_finish(&arena);
	buf_finish(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes           content = { (const char *)data, size };
	struct arena           arena;
	struct mistakes        mistakes = { .n = 0 };
	struct tcprules        rules;
	struct tcprules_answer answer, nameless;

	walk(content);
	arena_init(&arena, MEMORY);
	tcprules_read(&rules, content, &arena, &mistakes);
	for (size_t i = 0; i < CLIENTS; i++) {
		struct tcprules_client client = clients[i];

		tcprules_find(&rules, &client, &answer);
		check(answer.is_found || answer.allowed);
		check_variables(&answer);
		if (constant_db_is(content))
			check(lies_in(answer.variables, content));
		client.name = BYTES("");
		tcprules_find(&rules, &client, &nameless);
		if (!tcprules_needs_name(&rules) && !constant_db_is(content))
			check(nameless.allowed == answer.allowed);
	}
	if (!mistakes_any(&mistakes) && !constant_db_is(content) &&
	    memchr(data, '\0', size) == NULL)
		check_end(content, &rules);
	arena_finish(&arena);
	return 0;
}
