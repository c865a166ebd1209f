/*
 * Any address at any virtual domains, over fixed users and assignments. Whatever is found: an
 * account with .qmail files gets a LOCAL, and nothing that names a file of his holds a '/' or NUL;
 * he needs to be asked only where there is a dash; without him nobody needs to be asked; a user owns
 * what leads to him.
 *
 * The first line of the input is the address, the others are qmail's virtualdomains.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mail/directory.h"
#include "proto/assign.h"
#include "proto/virtual_domains.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char assignments[] =
    "=joe-exact:joe:1:1:/:::\n+list-:joe:1:1:/:-:l-:\n+j:ann:1:1:/:::\n.\n";

static void
check_name(struct bytes text)
{
	if (bytes_find(text, '/') != text.n || bytes_find(text, '\0') != text.n)
		abort();
}

static void
check_user(const struct route *route)
{
	if (route->kind != ROUTE_USER) {
		if (route->is_qmail && route->kind != ROUTE_UNKNOWN_USER)
			abort();
		return;
	}
	if (route->user.n == 0 || route->user.n > DIRECTORY_USER_MAX ||
	    !route->is_qmail || route->local.n == 0 ||
	    route->local.n > DIRECTORY_USER_MAX)
		abort();
	if (route->must_ask != (route->dash.n > 0))
		abort();
	check_name(route->local);
	check_name(route->dash);
	check_name(route->extension);
}

static void
check_address(const struct directory *d, const struct address *address)
{
	struct arena arena;
	struct route route, without;

	arena_init(&arena, 64 * 1024);
	directory_route(d, &arena, address, &route);
	check_user(&route);
	if (route.kind == ROUTE_USER &&
	    !directory_is_own(d, &arena, address, route.user))
		abort();
	directory_route_without(d, &arena, address, &without);
	check_user(&without);
	if (without.must_ask)
		abort();
	arena_finish(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes      text = { (const char *)data, size }, line = { "", 0 };
	struct directory *d = directory_new();
	struct mistakes   mistakes = { .n = 0 };
	struct assign     assign;
	struct arena      arena;
	struct address    address;

	if (d == NULL)
		return 0;
	arena_init(&arena, 16 * 1024 * 1024);
	bytes_split(&text, '\n', &line);
	directory_set_hostname(d, BYTES("h.example"));
	directory_set_delimiter(d, BYTES("+"));
	directory_add_domain(d, BYTES("o.example"));
	directory_add_user(d, BYTES("joe"));
	directory_add_user(d, BYTES("a-b"));
	directory_set_qmail(d, BYTES("alias"));
	assign_read(&assign, BYTES(assignments), &arena, &mistakes);
	directory_set_assignments(d, &assign.assignments);
	virtual_domains_read(d, text, &arena, &mistakes);
	if (address_parse_utf8(line, &address))
		check_address(d, &address);
	directory_free(d);
	assign_finish(&assign);
	arena_finish(&arena);
	return 0;
}
