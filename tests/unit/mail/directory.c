#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "assigned.h"
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

/*
 * "user joe ext", "unknown", "not ours", "relayed", "to a@b c@d owner=e@f". With .qmail files
 * "user joe local=LOCAL dash=DASH ext=EXT", and "ask" instead of "user".
 */
static void
describe(struct buf *b, const struct route *route)
{
	switch (route->kind) {
	case ROUTE_UNKNOWN_USER:
		buf_add_string(b, "unknown");
		break;
	case ROUTE_NOT_OURS:
		buf_add_string(b, route->is_relayed ? "relayed" : "not ours");
		break;
	case ROUTE_USER:
		if (route->is_qmail) {
			buf_addf(b, "%s %.*s local=%.*s dash=%.*s ext=%.*s",
			    route->must_ask ? "ask" : "user",
			    BYTES_ARG(route->user), BYTES_ARG(route->local),
			    BYTES_ARG(route->dash),
			    BYTES_ARG(route->extension));
			break;
		}
		assert_false(route->must_ask);
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

typedef void route_function(const struct directory *d, struct arena *arena,
    const struct address *address, struct route *out);

static void
expect_by(route_function *find, const struct directory *d, const char *text,
    const char *expected)
{
	struct address address = { .local = bytes_of(text) };
	struct route   route;
	struct arena   arena;
	struct buf     b;

	if (strchr(text, '@') != NULL)
		assert_true(address_parse(bytes_of(text), &address));
	arena_init(&arena, 4096);
	buf_init(&b, 4096);
	find(d, &arena, &address, &route);
	describe(&b, &route);
	if (strcmp(buf_string(&b), expected) != 0)
		print_error("%s\n", text);
	assert_string_equal(buf_string(&b), expected);
	buf_finish(&b);
	arena_finish(&arena);
}

static void
expect(const struct directory *d, const char *text, const char *expected)
{
	expect_by(directory_route, d, text, expected);
}

static void
expect_without(const struct directory *d, const char *text, const char *expected)
{
	expect_by(directory_route_without, d, text, expected);
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

/* --- the way of qmail --- */

static const struct assigned_row assigned_rows[] = {
	{ "=exact", "ann", "", "" },
	{ "=exact-x", "ann", "-", "fixed" },
	{ "+shop-", "joe", "-", "" },
	{ "+shop-old", "joe", "", "" },
	{ "+ann-list-", "bob", "-", "l-" },
	{ "=virt-a", "bob", "", "" },
	{ "+pop-", "pop", "", "" },
};

struct virtual_row {
	const char *key, *prepend;
};

static const struct virtual_row virtual_rows[] = {
	{ "one.example", "ann" },     /* the first does not count */
	{ "One.Example", "joe" },
	{ "info@two.example", "ann-info" },
	{ "Two.example", "alias-two" },
	{ ".below.example", "joe-below" },
	{ "in.below.example", "ann" },
	{ "not@one.example", "" },
	{ "out.below.example", "" },
	{ "shop.example", "shop" },
	{ "virt.example", "virt" },
	{ "pop.example", "pop" },
	{ "gone.example", "nobody" },
	{ "example.org", "ann" },     /* it is ours anyhow */
	{ "mx.example.org", "ann" },  /* so is the host */
	{ "a b@two.example", "joe-quoted" },
};

struct qmail_site {
	struct directory *d;
	struct assigned   assigned, *self;
};

/* Users joe, Ann, "joe-work" and jim+work; the user alias when there is one. */
static void
site_init(struct qmail_site *site, const struct alias_row *of, size_t n,
    const char *alias_user)
{
	struct directory *d = directory_of(of, n);

	assigned_init(&site->assigned, &site->self, assigned_rows,
	    sizeof assigned_rows / sizeof assigned_rows[0]);
	assert_true(directory_add_user(d, BYTES("joe-work")));
	assert_true(directory_set_qmail(d, bytes_of(alias_user)));
	directory_set_assignments(d, &site->assigned.assignments);
	for (size_t i = 0; i < sizeof virtual_rows / sizeof virtual_rows[0]; i++)
		assert_true(directory_add_virtual(d,
		    bytes_of(virtual_rows[i].key),
		    bytes_of(virtual_rows[i].prepend)));
	assert_true(directory_add_relay_domain(d, BYTES("relay.example")));
	assert_true(directory_add_relay_domain(d, BYTES(".Below.example")));
	assert_true(directory_add_relay_domain(d, BYTES("example.org")));
	site->d = d;
}

static const struct alias_row qmail_aliases[] = {
	{ "sales", "joe,x@far.example" },
	{ "joe-list", "ann" },
	{ "owner-joe-list", "joe" },
	{ "bob", "bob,joe" },
	{ "exact-x@example.net", "joe" },
	{ "News@one.example", "ann" },
	{ "owner-news@one.example", "joe" },
	{ "@example.net", "joe" },
	{ "me", "joe-x,\\ann-x" },
};

static const struct route_row qmail_routes[] = {
	/* users, with the case of the local part kept in LOCAL */
	{ "joe@example.org", "user joe local=joe dash= ext=" },
	{ "JOE@EXAMPLE.ORG", "user joe local=JOE dash= ext=" },
	{ "ann@example.net", "user Ann local=ann dash= ext=" },
	{ "joe@mx.example.org", "user joe local=joe dash= ext=" },
	{ "\"joe\"@example.org", "user joe local=joe dash= ext=" },
	/* dashes: the longest user that there is */
	{ "joe-x@example.org", "ask joe local=joe-x dash=- ext=x" },
	{ "Joe-X.Y@example.org", "ask joe local=Joe-X.Y dash=- ext=X.Y" },
	{ "joe-a-b@example.org", "ask joe local=joe-a-b dash=- ext=a-b" },
	{ "joe-work@example.org", "user joe-work local=joe-work dash= ext=" },
	{ "joe-work-a@example.org",
	    "ask joe-work local=joe-work-a dash=- ext=a" },
	{ "joe-worka@example.org", "ask joe local=joe-worka dash=- ext=worka" },
	{ "joe-@example.org", "ask joe local=joe- dash=- ext=" },
	{ "joe--@example.org", "ask joe local=joe-- dash=- ext=-" },
	{ "\"joe-a b\"@example.org", "ask joe local=joe-a b dash=- ext=a b" },
	{ "\"joe-\\a\"@example.org", "ask joe local=joe-a dash=- ext=a" },
	{ "\"joe-a@b\"@example.org", "ask joe local=joe-a@b dash=- ext=a@b" },
	{ "joex@example.org", "ask alias local=joex dash=- ext=joex" },
	{ "-joe@example.org", "ask alias local=-joe dash=- ext=-joe" },
	/* nothing that could lead to another folder */
	{ "joe-a/b@example.org", "unknown" },
	{ "\"joe-../b\"@example.org", "unknown" },
	{ "a/b@example.org", "unknown" },
	{ "\"\"@example.org", "unknown" },
	/* assignments come before users: the exact one, the longest prefix */
	{ "exact@example.org", "user =exact local=exact dash= ext=" },
	{ "EXACT@example.org", "user =exact local=EXACT dash= ext=" },
	{ "exact-x@example.org", "ask =exact-x local=exact-x dash=- ext=fixed" },
	{ "exact-y@example.org", "ask alias local=exact-y dash=- ext=exact-y" },
	{ "shop-A@example.org", "ask +shop- local=shop-A dash=- ext=A" },
	{ "shop-oldA@example.org",
	    "user +shop-old local=shop-oldA dash= ext=A" },
	{ "shop@example.org", "ask alias local=shop dash=- ext=shop" },
	{ "ann-list-B@example.org",
	    "ask +ann-list- local=ann-list-B dash=- ext=l-B" },
	{ "ann-list@example.org", "ask Ann local=ann-list dash=- ext=list" },
	/* tags of another delimiter count for nothing */
	{ "joe+tag@example.org", "user joe local=joe+tag dash= ext=" },
	{ "joe+a+b@example.org", "user joe local=joe+a+b dash= ext=" },
	{ "jim+work@example.org", "user jim+work local=jim+work dash= ext=" },
	{ "sales+tag@example.org", "to joe@mx.example.org x@far.example" },
	{ "joe+a/b@example.org", "user joe local=joe dash= ext=" },
	{ "joe-x+tag@example.org", "ask joe local=joe-x+tag dash=- ext=x+tag" },
	/* aliases come before all of it */
	{ "sales@example.org", "to joe@mx.example.org x@far.example" },
	{ "joe-list@example.org",
	    "to ann@mx.example.org owner=owner-joe-list@example.org" },
	{ "exact-x@example.net", "to joe@mx.example.org" },
	{ "me@example.org", "to joe-x@mx.example.org \"\\\\ann-x\"@mx.example.org" },
	/* a target that means the account itself */
	{ "bob@example.org", "to \"\\\\bob\"@mx.example.org joe@mx.example.org" },
	{ "\"\\\\bob\"@mx.example.org", "ask alias local=bob dash=- ext=bob" },
	{ "\"\\\\joe\"@mx.example.org", "user joe local=joe dash= ext=" },
	{ "\"\\\\ann-x\"@mx.example.org", "ask Ann local=ann-x dash=- ext=x" },
	{ "\"\\\\exact\"@mx.example.org", "user =exact local=exact dash= ext=" },
	{ "\"\\\\a/b\"@mx.example.org", "unknown" },
	{ "\"\\\\\"@mx.example.org", "unknown" },
	/* the alias user gets the rest, roles too; where a whole domain is an alias, he does not */
	{ "anybody@example.org", "ask alias local=anybody dash=- ext=anybody" },
	{ "Any.Body@example.org",
	    "ask alias local=Any.Body dash=- ext=Any.Body" },
	{ "alias@example.org", "user alias local=alias dash= ext=" },
	{ "alias-x@example.org", "ask alias local=alias-x dash=- ext=x" },
	{ "postmaster@example.org",
	    "ask alias local=postmaster dash=- ext=postmaster" },
	{ "postmaster", "ask alias local=postmaster dash=- ext=postmaster" },
	{ "anybody@example.net", "to joe@mx.example.org" },
	{ "joe-x@example.net", "ask joe local=joe-x dash=- ext=x" },
	{ "abuse@example.net", "user joe local=abuse dash= ext=" },
	/* virtual domains: of an address, a domain, all below one; the first line of a key */
	{ "info@one.example", "ask joe local=joe-info dash=- ext=info" },
	{ "INFO@One.Example", "ask joe local=joe-INFO dash=- ext=INFO" },
	{ "work@one.example", "user joe-work local=joe-work dash= ext=" },
	{ "info@two.example", "ask Ann local=ann-info-info dash=- ext=info-info" },
	{ "Info@TWO.example", "ask Ann local=ann-info-Info dash=- ext=info-Info" },
	{ "other@two.example",
	    "ask alias local=alias-two-other dash=- ext=two-other" },
	{ "\"a b\"@two.example",
	    "ask joe local=joe-quoted-a b dash=- ext=quoted-a b" },
	{ "x@a.below.example", "ask joe local=joe-below-x dash=- ext=below-x" },
	{ "x@a.b.below.example", "ask joe local=joe-below-x dash=- ext=below-x" },
	{ "x@in.below.example", "ask Ann local=ann-x dash=- ext=x" },
	{ "x@below.example", "not ours" },
	{ "x@abelow.example", "not ours" },
	{ "a/b@one.example", "unknown" },
	{ "x+tag@one.example", "ask joe local=joe-x+tag dash=- ext=x+tag" },
	/* assignments of what a virtual domain makes of it; nobody's is the alias user's */
	{ "A@shop.example", "ask +shop- local=shop-A dash=- ext=A" },
	{ "a@virt.example", "user =virt-a local=virt-a dash= ext=" },
	{ "b@virt.example", "ask alias local=virt-b dash=- ext=virt-b" },
	{ "box@pop.example", "user +pop- local=pop-box dash= ext=box" },
	{ "x@gone.example", "ask alias local=nobody-x dash=- ext=nobody-x" },
	/* an alias of the address comes first, an alias of our own domains does not count */
	{ "news@one.example",
	    "to ann@mx.example.org owner=owner-news@one.example" },
	{ "sales@one.example", "ask joe local=joe-sales dash=- ext=sales" },
	{ "postmaster@one.example",
	    "ask joe local=joe-postmaster dash=- ext=postmaster" },
	/* exceptions, and domains that are relayed */
	{ "not@one.example", "not ours" },
	{ "x@out.below.example", "relayed" },
	{ "x@relay.example", "relayed" },
	{ "x@RELAY.example", "relayed" },
	{ "x@a.relay.example", "not ours" },
	{ "x@far.example", "not ours" },
	{ "x@[127.0.0.1]", "not ours" },
};

static void
test_qmail_routes(void **state)
{
	struct qmail_site site;

	(void)state;
	site_init(&site, qmail_aliases,
	    sizeof qmail_aliases / sizeof qmail_aliases[0], "alias");
	for (size_t i = 0; i < sizeof qmail_routes / sizeof qmail_routes[0]; i++)
		expect(site.d, qmail_routes[i].address, qmail_routes[i].expected);
	assert_int_equal(directory_find_loop(site.d).n, 0);
	directory_free(site.d);
}

/* Where there is no alias user, what is nobody's is what it was. */
static void
test_no_alias_user(void **state)
{
	static const struct route_row rows[] = {
		{ "joe-x@example.org", "ask joe local=joe-x dash=- ext=x" },
		{ "anybody@example.org", "unknown" },
		{ "alias@example.org", "unknown" },
		{ "postmaster@example.org", "user joe local=postmaster dash= ext=" },
		{ "x@gone.example", "unknown" },
		{ "other@two.example", "unknown" },
		{ "anybody@example.net", "to joe@mx.example.org" },
		/* the roles of a virtual domain whose owner is nobody */
		{ "abuse@gone.example", "user joe local=abuse dash= ext=" },
		{ "postmaster@one.example",
		    "ask joe local=joe-postmaster dash=- ext=postmaster" },
	};
	struct qmail_site site;

	(void)state;
	site_init(&site, qmail_aliases,
	    sizeof qmail_aliases / sizeof qmail_aliases[0], "");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect(site.d, rows[i].address, rows[i].expected);
	directory_free(site.d);
}

/* The account has no .qmail file for it: roles are somebody's, others nobody's. */
static void
test_without(void **state)
{
	static const struct alias_row roles[] = {
		{ "postmaster", "ann" },
		{ "root", "joe-x" },
		{ "abuse@example.net", "x@far.example" },
	};
	static const struct route_row plain[] = {
		{ "joe-x@example.org", "unknown" },
		{ "anybody@example.org", "unknown" },
		{ "info@one.example", "unknown" },
		{ "joe-x@example.net", "unknown" },
		{ "x@far.example", "unknown" },
		{ "postmaster@example.org", "user joe local=postmaster dash= ext=" },
		{ "ABUSE@example.org", "user joe local=abuse dash= ext=" },
		{ "postmaster@one.example", "user joe local=postmaster dash= ext=" },
		{ "postmaster", "user joe local=postmaster dash= ext=" },
	};
	static const struct route_row named[] = {
		{ "postmaster@one.example", "to ann@mx.example.org" },
		{ "postmaster@example.org", "to ann@mx.example.org" },
		{ "abuse@one.example", "to joe-x@mx.example.org" },
		{ "abuse@example.net", "to x@far.example" },
		{ "root@one.example", "unknown" },
	};
	struct qmail_site site;

	(void)state;
	site_init(&site, NULL, 0, "alias");
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		expect_without(site.d, plain[i].address, plain[i].expected);
	directory_free(site.d);

	site_init(&site, roles, 3, "alias");
	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
		expect_without(site.d, named[i].address, named[i].expected);
	directory_free(site.d);
}

/* Roles that are assigned: one that exists by itself counts, one that would have to be asked not. */
static void
test_assigned_roles(void **state)
{
	static const struct assigned_row rows[] = {
		{ "=postmaster", "bob", "-", "postmaster" },
		{ "=root", "ann", "", "" },
	};
	struct directory *d = directory_of(NULL, 0);
	struct assigned   assigned, *self;

	(void)state;
	assigned_init(&assigned, &self, rows, 2);
	directory_set_assignments(d, &assigned.assignments);
	expect(d, "postmaster@example.org",
	    "ask =postmaster local=postmaster dash=- ext=postmaster");
	expect_without(
	    d, "postmaster@example.org", "user =root local=root dash= ext=");
	expect(d, "abuse@example.org", "user =root local=root dash= ext=");
	/* assignments alone make no dash extensions of users */
	expect(d, "joe@example.org", "user joe");
	expect(d, "joe-x@example.org", "unknown");
	expect(d, "joe+x@example.org", "user joe x");
	directory_free(d);
}

/* The delimiter '-': with .qmail files it is qmail's dash, without it cuts a tag. */
static void
test_dash_delimiter(void **state)
{
	static const struct alias_row names[] = { { "list", "ann" } };
	struct directory *d = directory_of(names, 1);

	(void)state;
	directory_set_delimiter(d, BYTES("-"));
	expect(d, "joe-x@example.org", "user joe x");
	expect(d, "list-x@example.org", "to ann@mx.example.org");
	assert_true(directory_set_qmail(d, BYTES("")));
	expect(d, "joe-x@example.org", "ask joe local=joe-x dash=- ext=x");
	expect_without(d, "joe-x@example.org", "unknown");
	expect(d, "list-x@example.org", "to ann@mx.example.org");
	directory_free(d);
}

/* Domains that all are virtual: the host's name is ours too, and all others are with an empty key. */
static void
test_only_virtual(void **state)
{
	struct directory *d = directory_new();

	(void)state;
	directory_set_hostname(d, BYTES("mx.example.org"));
	assert_true(directory_add_user(d, BYTES("joe")));
	assert_true(directory_add_virtual(d, BYTES("no.example"), BYTES("")));
	expect(d, "joe@mx.example.org", "not ours");
	assert_true(directory_add_virtual(d, BYTES(""), BYTES("joe")));
	assert_true(directory_set_qmail(d, BYTES("")));
	expect(d, "joe@mx.example.org", "user joe local=joe dash= ext=");
	expect(d, "a@any.example", "ask joe local=joe-a dash=- ext=a");
	expect(d, "a@[127.0.0.1]", "ask joe local=joe-a dash=- ext=a");
	expect(d, "a@no.example", "not ours");
	directory_free(d);
}

/* The longest that a virtual domain may make of a local part, and one byte more. */
static void
test_longest_virtual(void **state)
{
	char             prepend[DIRECTORY_USER_MAX - ADDRESS_LOCAL_MAX];
	char             local[ADDRESS_LOCAL_MAX + 1], text[128];
	struct directory *d = directory_new();
	struct address   address;
	struct route     route;
	struct arena     arena;

	(void)state;
	memset(prepend, 'p', sizeof prepend);
	prepend[3] = '-';
	memset(local, 'l', sizeof local - 1);
	local[ADDRESS_LOCAL_MAX] = '\0';
	snprintf(text, sizeof text, "%s@v.example", local);
	assert_true(address_parse(bytes_of(text), &address));
	assert_true(directory_add_user(d, BYTES("ppp")));
	assert_true(directory_set_qmail(d, BYTES("")));
	assert_true(directory_add_virtual(d, BYTES("v.example"),
	    (struct bytes){ prepend, sizeof prepend - 1 }));
	arena_init(&arena, 4096);
	directory_route(d, &arena, &address, &route);
	assert_int_equal(route.kind, ROUTE_USER);
	assert_int_equal(route.local.n, DIRECTORY_USER_MAX);
	directory_free(d);

	d = directory_new();
	assert_true(directory_add_user(d, BYTES("ppp")));
	assert_true(directory_set_qmail(d, BYTES("")));
	assert_true(directory_add_virtual(d, BYTES("v.example"),
	    (struct bytes){ prepend, sizeof prepend }));
	directory_route(d, &arena, &address, &route);
	assert_int_equal(route.kind, ROUTE_UNKNOWN_USER);
	directory_free(d);
	arena_finish(&arena);
}

/* qmail's own table finds the line that came last. */
static void
test_virtual_twice(void **state)
{
	struct directory *d = directory_new();
	struct address    address;
	struct route      route;
	struct arena      arena;

	(void)state;
	arena_init(&arena, 4096);
	assert_true(directory_add_user(d, BYTES("joe")));
	assert_true(directory_add_user(d, BYTES("ann")));
	assert_true(directory_set_qmail(d, BYTES("")));
	assert_true(directory_add_virtual(d, BYTES("v.example"), BYTES("joe")));
	assert_true(directory_add_virtual(d, BYTES("V.example"), BYTES("ann")));
	assert_true(address_parse(BYTES("x@v.example"), &address));
	directory_route(d, &arena, &address, &route);
	assert_int_equal(route.kind, ROUTE_USER);
	assert_true(bytes_equal(route.user, BYTES("ann")));
	assert_true(directory_add_virtual(d, BYTES("v.example"), BYTES("")));
	directory_route(d, &arena, &address, &route);
	assert_int_equal(route.kind, ROUTE_NOT_OURS);
	directory_free(d);
	arena_finish(&arena);
}

/* Whoever runs out of memory finds nobody, rather than somebody else. */
static void
test_no_memory(void **state)
{
	static const char *const addresses[] = {
		"joe@example.org", "joe-x@example.org", "exact@example.org",
		"exact@example.net", "anybody@example.org", "a@shop.example",
	};
	struct qmail_site site;

	(void)state;
	site_init(&site, qmail_aliases,
	    sizeof qmail_aliases / sizeof qmail_aliases[0], "alias");
	for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
		struct arena   none = { .max = 0 };
		struct address address;
		struct route   route;

		assert_true(address_parse(bytes_of(addresses[i]), &address));
		directory_route(site.d, &none, &address, &route);
		assert_int_equal(route.kind, ROUTE_UNKNOWN_USER);
	}
	directory_free(site.d);
}

/* Assigned accounts are no aliases: what leads to one leads out. */
static void
test_loops_of_assigned(void **state)
{
	static const struct alias_row names[] = {
		{ "a", "exact" },
		{ "@example.org", "a@example.org" },
		{ "b", "joe-x" },
		{ "c", "d@one.example" },
	};
	static const struct alias_row circle[] = {
		{ "a@one.example", "b" },
		{ "b", "a@one.example" },
	};
	struct qmail_site site;

	(void)state;
	site_init(&site, names, sizeof names / sizeof names[0], "");
	assert_int_equal(directory_find_loop(site.d).n, 0);
	directory_free(site.d);
	site_init(&site, circle, 2, "alias");
	assert_int_not_equal(directory_find_loop(site.d).n, 0);
	directory_free(site.d);
}

static void
test_own_of_qmail(void **state)
{
	static const struct {
		const char *address, *user;
		bool        is_own;
	} rows[] = {
		{ "joe@example.org", "joe", true },
		{ "joe-any-thing@example.org", "joe", true },
		{ "joe-work@example.org", "joe", false },
		{ "joe-work@example.org", "joe-work", true },
		{ "joe+tag@example.org", "joe", true },
		{ "joe-x@example.org", "Ann", false },
		/* what a virtual domain makes his, and no exception */
		{ "info@one.example", "joe", true },
		{ "not@one.example", "joe", false },
		{ "info@two.example", "Ann", true },
		/* assignments are of the user whom they name */
		{ "exact@example.org", "ann", true },
		{ "exact@example.org", "=exact", true },
		{ "shop-x@example.org", "joe", true },
		{ "shop-x@example.org", "ann", false },
		{ "a@virt.example", "bob", true },
		{ "anybody@example.org", "alias", true },
		{ "anybody@example.org", "joe", false },
		{ "me@example.org", "joe", true },
		{ "me@example.org", "Ann", true },
		{ "news@one.example", "joe", false },
		{ "x@relay.example", "joe", false },
		{ "joe-a/b@example.org", "joe", false },
	};
	struct qmail_site site;

	(void)state;
	site_init(&site, qmail_aliases,
	    sizeof qmail_aliases / sizeof qmail_aliases[0], "alias");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct address address;
		struct arena   arena;

		arena_init(&arena, 64 * 1024);
		assert_true(address_parse(bytes_of(rows[i].address), &address));
		if (directory_is_own(site.d, &arena, &address,
		        bytes_of(rows[i].user)) != rows[i].is_own)
			fail_msg("%s is %s's?", rows[i].address, rows[i].user);
		arena_finish(&arena);
	}
	directory_free(site.d);
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
		cmocka_unit_test(test_qmail_routes),
		cmocka_unit_test(test_no_alias_user),
		cmocka_unit_test(test_without),
		cmocka_unit_test(test_assigned_roles),
		cmocka_unit_test(test_dash_delimiter),
		cmocka_unit_test(test_only_virtual),
		cmocka_unit_test(test_longest_virtual),
		cmocka_unit_test(test_virtual_twice),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_loops_of_assigned),
		cmocka_unit_test(test_own_of_qmail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
