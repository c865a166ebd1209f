#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "mail/directory.h"

enum { TARGETS_MAX = 8 };

struct alias_row {
	const char *name;
	const char *targets; /* "a,b,c" */
};

static bool
add_alias(struct directory *d, const char *name, const char *targets,
    const char **mistake)
{
	struct bytes list[TARGETS_MAX], rest = bytes_of(targets);
	size_t       n = 0;

	while (bytes_split(&rest, ',', &list[n]))
		assert_true(++n < TARGETS_MAX);
	return directory_add_alias(d, bytes_of(name), list, n, mistake);
}

static struct directory *
directory_of(const struct alias_row *aliases, size_t n)
{
	struct directory *d = directory_new();
	const char       *mistake;

	assert_non_null(d);
	directory_set_hostname(d, BYTES("MX.example.org"));
	directory_set_delimiter(d, BYTES("+"));
	assert_true(directory_add_domain(d, BYTES("example.org")));
	assert_true(directory_add_domain(d, BYTES("Example.NET")));
	assert_true(directory_add_user(d, BYTES("joe")));
	assert_true(directory_add_user(d, BYTES("Ann")));
	assert_true(directory_add_user(d, BYTES("jim+work")));
	for (size_t i = 0; i < n; i++)
		assert_true(add_alias(
		    d, aliases[i].name, aliases[i].targets, &mistake));
	return d;
}

/* "user joe ext", "unknown", "not ours", "to a@b c@d owner=e@f" */
static void
describe(struct buf *b, const struct route *route)
{
	switch (route->kind) {
	case ROUTE_UNKNOWN_USER:
		buf_add_string(b, "unknown");
		break;
	case ROUTE_NOT_OURS:
		buf_add_string(b, "not ours");
		break;
	case ROUTE_USER:
		buf_addf(b, "user %.*s", BYTES_ARG(route->user));
		if (route->extension.n > 0)
			buf_addf(b, " %.*s", BYTES_ARG(route->extension));
		break;
	case ROUTE_EXPANDED:
		buf_add_string(b, "to");
		for (size_t i = 0; i < route->n_targets; i++)
			buf_addf(b, " %.*s", BYTES_ARG(route->targets[i]));
		if (route->owner.n > 0)
			buf_addf(b, " owner=%.*s", BYTES_ARG(route->owner));
		break;
	}
}

static void
expect(const struct directory *d, const char *text, const char *expected)
{
	struct address address = { .local = bytes_of(text) };
	struct route   route;
	struct arena   arena;
	struct buf     b;

	if (strchr(text, '@') != NULL)
		assert_true(address_parse(bytes_of(text), &address));
	arena_init(&arena, 4096);
	buf_init(&b, 4096);
	directory_route(d, &arena, &address, &route);
	describe(&b, &route);
	if (strcmp(buf_string(&b), expected) != 0)
		print_error("%s\n", text);
	assert_string_equal(buf_string(&b), expected);
	buf_finish(&b);
	arena_finish(&arena);
}

struct route_row {
	const char *address;
	const char *expected;
};

static const struct alias_row aliases[] = {
	{ "sales", "joe,Ann,x@far.example" },
	{ "Jack@example.net", "joe" },
	{ "jack", "ann" },
	{ "ann+news@example.org", "joe@example.org" },
	{ "@example.net", "joe@Example.ORG" },
	{ "list", "joe,ann" },
	{ "owner-list", "joe" },
	{ "team@example.org", "\"a b\"@far.example" },
	{ "owner-team@example.org", "ann" },
	{ "joe", "joe,jim@far.example" },
	{ "ann@example.net", "ann@example.net,\\joe" },
};

static const struct route_row routes[] = {
	/* domains */
	{ "joe@far.example", "not ours" },
	{ "nobody@example.org", "unknown" },
	{ "ann@example.org", "user Ann" },
	{ "ANN@EXAMPLE.ORG", "user Ann" },
	{ "\"ann\"@example.org", "user Ann" },
	{ "ann@mx.example.org", "user Ann" },
	{ "ann@sub.example.org", "not ours" },
	{ "ann@[127.0.0.1]", "not ours" },
	/* aliases: of one address, of all domains, of a whole domain */
	{ "sales@example.org",
	    "to joe@mx.example.org ann@mx.example.org x@far.example" },
	{ "SALES@mx.example.org",
	    "to joe@mx.example.org ann@mx.example.org x@far.example" },
	{ "jack@example.net", "to joe@mx.example.org" },
	{ "jack@example.org", "to ann@mx.example.org" },
	{ "nobody@example.net", "to joe@example.org" },
	/* tags: the longest name that is somebody */
	{ "ann+a@example.org", "user Ann a" },
	{ "ann+a+b@example.org", "user Ann a+b" },
	{ "ann+News@example.org", "to joe@example.org" },
	{ "ann+news+x@example.org", "to joe@example.org" },
	{ "ann+@example.org", "user Ann" },
	{ "jim+work@example.org", "user jim+work" },
	{ "jim+work+a@example.org", "user jim+work a" },
	{ "jim+play@example.org", "unknown" },
	{ "sales+a@example.org",
	    "to joe@mx.example.org ann@mx.example.org x@far.example" },
	{ "+ann@example.org", "unknown" },
	{ "ann-a@example.org", "unknown" },
	/* owners of lists */
	{ "list@example.org",
	    "to joe@mx.example.org ann@mx.example.org "
	    "owner=owner-list@example.org" },
	{ "list+a@example.org",
	    "to joe@mx.example.org ann@mx.example.org "
	    "owner=owner-list@example.org" },
	{ "team@example.org",
	    "to \"a b\"@far.example owner=owner-team@example.org" },
	{ "owner-list@example.org", "to joe@mx.example.org" },
	/* an alias of a user that names the user: he gets it too */
	{ "joe@example.org",
	    "to \"\\\\joe\"@mx.example.org jim@far.example" },
	{ "\"\\\\joe\"@mx.example.org", "user joe" },
	{ "ann@example.net",
	    "to \"\\\\ann\"@mx.example.org \"\\\\joe\"@mx.example.org" },
	{ "\"\\\\ann\"@example.net", "user Ann" },
	{ "\"\\\\sales\"@example.org", "unknown" },
	{ "\"\\\\\"@example.org", "unknown" },
	/* roles: without alias or user they lead to the first user */
	{ "postmaster@example.org", "user joe" },
	{ "ABUSE@example.net", "user joe" },
	{ "postmaster", "user joe" },
	{ "Postmaster", "user joe" },
	{ "hostmaster@example.org", "unknown" },
	{ "postmaster@far.example", "not ours" },
};

static void
test_routes(void **state)
{
	struct directory *d =
	    directory_of(aliases, sizeof aliases / sizeof aliases[0]);

	(void)state;
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
		expect(d, routes[i].address, routes[i].expected);
	assert_int_equal(directory_find_loop(d).n, 0);
	directory_free(d);
}

static void
test_roles(void **state)
{
	static const struct alias_row root[] = { { "root", "ann" } };
	static const struct alias_row named[] = {
		{ "root", "joe" },
		{ "postmaster", "root" },
		{ "abuse@example.net", "x@far.example" },
	};
	struct directory *d = directory_of(root, 1);

	(void)state;
	expect(d, "postmaster@example.org", "to ann@mx.example.org");
	expect(d, "postmaster", "to ann@mx.example.org");
	directory_free(d);

	d = directory_of(named, 3);
	expect(d, "postmaster@example.net", "to root@mx.example.org");
	expect(d, "abuse@example.net", "to x@far.example");
	expect(d, "abuse@example.org", "to joe@mx.example.org");
	assert_true(directory_add_user(d, BYTES("abuse")));
	expect(d, "abuse@example.org", "user abuse");
	directory_free(d);

	d = directory_new();
	assert_true(directory_add_domain(d, BYTES("example.org")));
	expect(d, "postmaster@example.org", "unknown");
	directory_free(d);
}

/* With no domains nobody is ours, not even the host. */
static void
test_closed(void **state)
{
	struct directory *d = directory_new();

	(void)state;
	directory_set_hostname(d, BYTES("mx.example.org"));
	assert_true(directory_add_user(d, BYTES("joe")));
	expect(d, "joe@mx.example.org", "not ours");
	expect(d, "joe@example.org", "not ours");
	expect(d, "postmaster", "user joe");
	directory_free(d);
}

static void
test_mistakes(void **state)
{
	static const struct {
		struct alias_row alias;
		const char      *mistake;
	} rows[] = {
		{ { "sales", "joe" }, "the alias stands twice" },
		{ { "SALES", "joe" }, "the alias stands twice" },
		{ { "@Example.net", "joe" }, "the alias stands twice" },
		{ { "new", "" }, "the alias has no target" },
		{ { "new", "joe,|prog" },
		    "a target is a program, which is not supported yet" },
		{ { "new", "/var/mail/joe" },
		    "a target is a file, which is not supported yet" },
		{ { "new", ":include:/x" },
		    "a list that is included cannot include another" },
		{ { "new", "a@" },
		    "a target is neither an address nor a local name" },
		{ { "new", "a@b@c" },
		    "a target is neither an address nor a local name" },
		{ { "new", "a..b" },
		    "a target is neither an address nor a local name" },
		{ { "new", "<a@b.example>" },
		    "a target is neither an address nor a local name" },
		{ { "new", "\\a@b" },
		    "a target with a backslash is not a user name" },
		{ { "@", "joe" },
		    "the alias is neither a local name, an address nor "
		    "\"@domain\"" },
		{ { "a b", "joe" },
		    "the alias is neither a local name, an address nor "
		    "\"@domain\"" },
		{ { "a@-", "joe" },
		    "the alias is neither a local name, an address nor "
		    "\"@domain\"" },
	};
	struct directory *d =
	    directory_of(aliases, sizeof aliases / sizeof aliases[0]);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *mistake = NULL;

		assert_false(add_alias(d, rows[i].alias.name,
		    rows[i].alias.targets, &mistake));
		assert_string_equal(mistake, rows[i].mistake);
	}
	/* a refused alias left nothing behind */
	expect(d, "new@example.org", "unknown");
	directory_free(d);
}

static void
test_loops(void **state)
{
	static const struct alias_row circle[] = {
		{ "good", "joe" },
		{ "a", "b" },
		{ "b", "c,a" },
		{ "c", "a@example.net" },
	};
	static const struct alias_row with_way_out[] = {
		{ "a", "b" },
		{ "b", "c,a" },
		{ "c", "a@example.net,x@far.example" },
		{ "joe", "joe" },
		{ "d", "nobody" }, /* fails, loudly */
	};
	static const struct alias_row self[] = { { "info", "info" } };
	struct directory *d = directory_of(circle, 4);
	struct bytes      name;

	(void)state;
	name = directory_find_loop(d);
	assert_int_equal(name.n, 1);
	assert_in_set((unsigned char)name.p[0],
	    ((const unsigned long[]){ 'a', 'b', 'c' }), 3);
	directory_free(d);

	d = directory_of(with_way_out, 5);
	assert_int_equal(directory_find_loop(d).n, 0);
	directory_free(d);

	/* info is no user: the direct form of it is unknown, which is loud */
	d = directory_of(self, 1);
	assert_int_equal(directory_find_loop(d).n, 0);
	expect(d, "info@example.org", "to \"\\\\info\"@mx.example.org");
	expect(d, "\"\\\\info\"@mx.example.org", "unknown");
	directory_free(d);
}

/* Local parts at the limit, with an owner that would be beyond it. */
static void
test_longest(void **state)
{
	char              name[ADDRESS_LOCAL_MAX + 1], text[128];
	struct directory *d;
	struct alias_row  row = { name, "joe" };

	(void)state;
	memset(name, 'a', ADDRESS_LOCAL_MAX);
	name[ADDRESS_LOCAL_MAX] = '\0';
	d = directory_of(&row, 1);
	snprintf(text, sizeof text, "%s@example.org", name);
	expect(d, text, "to joe@mx.example.org");
	directory_free(d);
}

static void
test_own(void **state)
{
	static const struct alias_row names[] = {
		{ "info", "joe,Ann" },
		{ "sales", "info" },
		{ "round", "about,Ann" },
		{ "about", "round" },
		{ "elsewhere", "joe@example.com" },
	};
	static const struct {
		const char *address, *user;
		bool        is_own;
	} rows[] = {
		{ "joe@example.org", "joe", true },
		{ "JOE@example.net", "joe", true },
		{ "joe+lists@example.org", "joe", true },
		{ "joe@mx.example.org", "joe", true },
		{ "Ann@example.org", "joe", false },
		{ "info@example.org", "joe", true },
		{ "sales@example.org", "joe", true },
		{ "round@example.org", "joe", false },
		{ "nobody@example.org", "joe", false },
		{ "joe@example.com", "joe", false },
		{ "elsewhere@example.org", "joe", false },
		{ "joe@example.org", "", false },
	};
	struct directory *d =
	    directory_of(names, sizeof names / sizeof names[0]);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address address;
		struct arena   arena;

		arena_init(&arena, 64 * 1024);
		assert_true(address_parse(bytes_of(rows[i].address), &address));
		if (directory_is_own(d, &arena, &address,
		        bytes_of(rows[i].user)) != rows[i].is_own)
			fail_msg("%s is %s's?", rows[i].address, rows[i].user);
		arena_finish(&arena);
	}
	directory_free(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
