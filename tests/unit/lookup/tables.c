#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "lookup/tables.h"

enum { ERROR_MAX = 4096 };

static struct bytes  domains[] = { BYTES_INIT("example.org") };
static struct config config;
static char          root[64];
static char          list_path[128];
static char          virtual_path[128];
static char          assign_path[128];

static void
path_in(char *out, size_t size, const char *name)
{
	snprintf(out, size, "%s/etc/%s", root, name);
}

static void
put(const char *name, const char *content)
{
	char path[128];

	path_in(path, sizeof path, name);
	assert_int_equal(file_replace(path, bytes_of(content), 0600), 0);
}

static void
take_away(const char *name)
{
	char path[128];

	path_in(path, sizeof path, name);
	unlink(path);
}

static int
set_up(void **state)
{
	char etc[128];

	(void)state;
	strcpy(root, "/tmp/ampel-tables-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	path_in(etc, sizeof etc, "");
	path_in(list_path, sizeof list_path, "list");
	path_in(virtual_path, sizeof virtual_path, "virtualdomains");
	path_in(assign_path, sizeof assign_path, "assign");
	config = (struct config){
		.hostname = BYTES("mx.example.org"),
		.domains = { domains, 1 },
		.root = bytes_of(root),
		.users = USERS_FILE,
		.recipient_delimiter = BYTES("+"),
	};
	return mkdir(etc, 0700);
}

static int
tear_down(void **state)
{
	char etc[128];

	(void)state;
	take_away("passwd");
	take_away("aliases");
	take_away("list");
	take_away("virtualdomains");
	take_away("assign");
	path_in(etc, sizeof etc, "");
	return rmdir(etc) == 0 && rmdir(root) == 0 ? 0 : -1;
}

/* Of relayed domains ROUTE_NOT_OURS too. */
static enum route_kind
route(struct tables *t, const char *text)
{
	struct address address;
	struct route   out;
	struct arena   arena;

	assert_true(address_parse(bytes_of(text), &address));
	arena_init(&arena, 4096);
	directory_route(tables_directory(t), &arena, &address, &out);
	arena_finish(&arena);
	return out.kind;
}

static struct tables *
open_tables(void)
{
	struct tables *t;
	struct buf     error;

	buf_init(&error, ERROR_MAX);
	t = tables_open(&config, &error);
	if (t == NULL)
		print_error("%s", buf_string(&error));
	assert_non_null(t);
	buf_finish(&error);
	return t;
}

static void
test_missing_files(void **state)
{
	struct tables *t = open_tables();

	(void)state;
	assert_int_equal(route(t, "joe@example.org"), ROUTE_UNKNOWN_USER);
	tables_close(t);
}

static void
test_files(void **state)
{
	char           aliases[256];
	struct tables *t;

	(void)state;
	put("passwd", "# people\njoe:x:2000:2000::/home/joe:\n"
	              "ann:x:2000:2000::/home/ann:\n");
	snprintf(aliases, sizeof aliases, "sales: joe, :include:%s\n", list_path);
	put("aliases", aliases);
	put("list", "ann # she knows\nx@far.example\n");
	t = open_tables();
	assert_int_equal(route(t, "joe@example.org"), ROUTE_USER);
	assert_int_equal(route(t, "ann@example.org"), ROUTE_USER);
	assert_int_equal(route(t, "sales@example.org"), ROUTE_EXPANDED);
	assert_int_equal(route(t, "x@far.example"), ROUTE_NOT_OURS);
	tables_close(t);
}

/* A list that is not empty is included at the end of aliases. Mistakes begin with the file's name. */
static void
test_mistakes(void **state)
{
	static const struct {
		const char *passwd;
		const char *aliases;
		const char *list;
		const char *file;
		const char *mistake;
	} rows[] = {
		{ "joe:x:1000\n", "", "", "passwd",
		    ":1: expected name:x:uid:gid:text:/home:shell\n" },
		{ "\nroot:x:0:0::/root:\n", "", "", "passwd",
		    ":2: user \"root\" has uid 0: root gets no mailbox; give "
		    "root an alias\n" },
		{ "", "a: joe@example.org\nb c\n", "", "aliases",
		    ":2: expected \"name: target, target\"\n" },
		{ "", "a: |prog\n", "", "aliases",
		    ":1: a: a target is a program, which is not supported yet\n" },
		{ "", "x: y@far.example\na: b\nb: a\n", "", "aliases",
		    ":3: b: leads only to aliases, in a circle\n" },
		{ "", "a: :include:relative\n", "", "aliases",
		    ":1: \"relative\" cannot be included: expected the absolute "
		    "path of a file\n" },
		{ "", "a: ", "b\n:include:/x\n", "aliases",
		    ":1: a: a list that is included cannot include another\n" },
		{ "", "a: ", "# nobody\n", "aliases",
		    ":1: a: the alias has no target\n" },
		{ "", "a: b, ", "b\n\"c\n", "list",
		    ":2: a quote is not closed on its line\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char       aliases[256], expected[256], path[128];
		struct buf error;

		put("passwd", rows[i].passwd);
		snprintf(aliases, sizeof aliases, "%s%s%s\n", rows[i].aliases,
		    rows[i].list[0] ? ":include:" : "",
		    rows[i].list[0] ? list_path : "");
		put("aliases", aliases);
		put("list", rows[i].list);
		path_in(path, sizeof path, rows[i].file);
		snprintf(expected, sizeof expected, "%s%s", path,
		    rows[i].mistake);
		buf_init(&error, ERROR_MAX);
		assert_null(tables_open(&config, &error));
		assert_string_equal(buf_string(&error), expected);
		buf_finish(&error);
	}
}

static void
test_refresh(void **state)
{
	struct tables *t;

	(void)state;
	put("passwd", "joe:x:2000:2000::/home/joe:\n");
	take_away("aliases");
	t = open_tables();
	tables_refresh(t, &config, 10000);

	/* at most once a second */
	put("passwd", "ann:x:2000:2000::/home/ann:\n");
	tables_refresh(t, &config, 10999);
	assert_int_equal(route(t, "ann@example.org"), ROUTE_UNKNOWN_USER);
	tables_refresh(t, &config, 11000);
	assert_int_equal(route(t, "ann@example.org"), ROUTE_USER);
	assert_int_equal(route(t, "joe@example.org"), ROUTE_UNKNOWN_USER);

	/* a file that was not there appears, and one that was goes */
	put("aliases", "joe: ann\n");
	tables_refresh(t, &config, 12000);
	assert_int_equal(route(t, "joe@example.org"), ROUTE_EXPANDED);
	take_away("aliases");
	tables_refresh(t, &config, 13000);
	assert_int_equal(route(t, "joe@example.org"), ROUTE_UNKNOWN_USER);

	/* broken: the old one stays, until it is mended */
	put("passwd", "broken\n");
	tables_refresh(t, &config, 14000);
	assert_int_equal(route(t, "ann@example.org"), ROUTE_USER);
	put("passwd", "jim:x:2000:2000::/home/jim:\n");
	tables_refresh(t, &config, 15000);
	assert_int_equal(route(t, "ann@example.org"), ROUTE_UNKNOWN_USER);
	assert_int_equal(route(t, "jim@example.org"), ROUTE_USER);
	tables_close(t);
}

/* Before somebody is called unknown, a look may be 50 ms old; a true one reads anew. */
static void
test_refresh_soon(void **state)
{
	struct tables *t;

	(void)state;
	put("passwd", "joe:x:2000:2000::/home/joe:\n");
	take_away("aliases");
	t = open_tables();
	assert_false(tables_refresh(t, &config, 10000));
	put("passwd", "ann:x:2000:2000::/home/ann:\n");
	assert_false(tables_refresh_soon(t, &config, 10049));
	assert_int_equal(route(t, "ann@example.org"), ROUTE_UNKNOWN_USER);
	assert_true(tables_refresh_soon(t, &config, 10050));
	assert_int_equal(route(t, "ann@example.org"), ROUTE_USER);

	/* nothing has changed, then what is there is broken: the old one stays */
	assert_false(tables_refresh_soon(t, &config, 10100));
	put("passwd", "broken\n");
	assert_false(tables_refresh_soon(t, &config, 10150));
	assert_int_equal(route(t, "ann@example.org"), ROUTE_USER);

	/* each of these looks counts for the other kind */
	put("passwd", "jim:x:2000:2000::/home/jim:\n");
	assert_false(tables_refresh(t, &config, 11149));
	assert_true(tables_refresh(t, &config, 11150));
	assert_int_equal(route(t, "jim@example.org"), ROUTE_USER);
	tables_close(t);
}

static void
test_refresh_of_list(void **state)
{
	char           aliases[256];
	struct tables *t;

	(void)state;
	put("passwd", "");
	snprintf(aliases, sizeof aliases, "a: :include:%s\n", list_path);
	put("aliases", aliases);
	put("list", "b@example.org\n");
	t = open_tables();
	put("aliases", "a: b@far.example\n");
	tables_refresh(t, &config, 10000);
	put("list", "\"\n"); /* no longer looked at */
	tables_refresh(t, &config, 11000);
	put("aliases", aliases); /* it is broken: kept as it was */
	tables_refresh(t, &config, 12000);
	assert_int_equal(route(t, "a@example.org"), ROUTE_EXPANDED);
	put("aliases", "");
	tables_refresh(t, &config, 13000);
	assert_int_equal(route(t, "a@example.org"), ROUTE_UNKNOWN_USER);
	tables_close(t);
}

/* Files of a qmail site, beside our own. */
static void
name_qmail_files(void)
{
	static struct bytes relayed[] = { BYTES_INIT("relay.example"),
		BYTES_INIT(".below.example") };

	put("passwd", "joe:x:2000:2000::/home/joe:\n");
	put("virtualdomains", "# ours\n\nvirt.example:joe\nno.example:\n");
	put("assign", "=ann:ann:2001:2001:/home/ann:::\n"
	              "+joe-:joe:2000:2000:/home/joe:-::\n.\n");
	config.virtual_domains = bytes_of(virtual_path);
	config.assign = bytes_of(assign_path);
	config.relay_domains = (struct bytes_list){ relayed, 2 };
}

static void
expect_route(struct tables *t, const char *text, const struct route *expected)
{
	struct address address;
	struct route   out;
	struct arena   arena;

	assert_true(address_parse(bytes_of(text), &address));
	arena_init(&arena, 4096);
	directory_route(tables_directory(t), &arena, &address, &out);
	assert_int_equal(out.kind, expected->kind);
	assert_int_equal(out.is_relayed, expected->is_relayed);
	assert_int_equal(out.is_qmail, expected->is_qmail);
	assert_int_equal(out.must_ask, expected->must_ask);
	assert_true(bytes_equal(out.user, expected->user));
	assert_true(bytes_equal(out.extension, expected->extension));
	arena_finish(&arena);
}

static void
test_qmail_files(void **state)
{
	static const struct {
		const char  *address;
		struct route route;
	} rows[] = {
		{ "joe@example.org",
		    { .kind = ROUTE_USER, .user = BYTES_INIT("joe") } },
		{ "ann@example.org",
		    { .kind = ROUTE_USER, .user = BYTES_INIT("=ann"),
		        .is_qmail = true } },
		{ "joe-x@example.org",
		    { .kind = ROUTE_USER, .user = BYTES_INIT("+joe-"),
		        .extension = BYTES_INIT("x"), .is_qmail = true,
		        .must_ask = true } },
		{ "x@virt.example",
		    { .kind = ROUTE_USER, .user = BYTES_INIT("+joe-"),
		        .extension = BYTES_INIT("x"), .is_qmail = true,
		        .must_ask = true } },
		/* users of our own file have no .qmail files */
		{ "ann-x@example.org", { .kind = ROUTE_UNKNOWN_USER } },
		{ "x@no.example", { .kind = ROUTE_NOT_OURS } },
		{ "x@relay.example",
		    { .kind = ROUTE_NOT_OURS, .is_relayed = true } },
		{ "x@a.below.example",
		    { .kind = ROUTE_NOT_OURS, .is_relayed = true } },
		{ "x@below.example", { .kind = ROUTE_NOT_OURS } },
	};
	struct tables *t;

	(void)state;
	name_qmail_files();
	t = open_tables();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect_route(t, rows[i].address, &rows[i].route);
	tables_close(t);
}

/* Those of both files, with their lines; a file that is named has to be there. */
static void
test_mistakes_of_qmail_files(void **state)
{
	static const struct {
		const char *virtualdomains, *assign; /* NULL: there is none */
		const char *file, *mistake;
	} rows[] = {
		{ "virt.example\n", ".\n", "virtualdomains",
		    ":1: expected key:prepend\n" },
		{ "a.example:joe\n\n#\nb..example:joe\n", ".\n", "virtualdomains",
		    ":4: \"b..example\" is neither user@domain, domain, .suffix "
		    "nor empty\n" },
		{ "a.example:a/b\n", ".\n", "virtualdomains",
		    ":1: \"a/b\" cannot stand in front of a local part\n" },
		{ NULL, ".\n", "virtualdomains", ": No such file or directory\n" },
		{ "", "=joe:joe:0:1:/:::\n.\n", "assign",
		    ":1: uid or gid is 0: root gets no mail; give it to somebody "
		    "else\n" },
		{ "", "=joe:joe:1:1:/:::\n", "assign",
		    ": the last line is not \".\": the end is missing\n" },
		{ "", NULL, "assign", ": No such file or directory\n" },
	};

	(void)state;
	name_qmail_files();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char       expected[256], path[128];
		struct buf error;

		take_away("virtualdomains");
		take_away("assign");
		if (rows[i].virtualdomains != NULL)
			put("virtualdomains", rows[i].virtualdomains);
		if (rows[i].assign != NULL)
			put("assign", rows[i].assign);
		path_in(path, sizeof path, rows[i].file);
		snprintf(expected, sizeof expected, "%s%s", path,
		    rows[i].mistake);
		buf_init(&error, ERROR_MAX);
		assert_null(tables_open(&config, &error));
		assert_string_equal(buf_string(&error), expected);
		buf_finish(&error);
	}
}

/* A changed file counts, a broken one does not, and views of the old one are gone. */
static void
test_refresh_of_qmail_files(void **state)
{
	struct tables *t;

	(void)state;
	name_qmail_files();
	t = open_tables();
	put("assign", "=bob:bob:2002:2002:/home/bob:::\n.\n");
	tables_refresh(t, &config, 10000);
	assert_int_equal(route(t, "ann@example.org"), ROUTE_UNKNOWN_USER);
	assert_int_equal(route(t, "bob@example.org"), ROUTE_USER);
	assert_int_equal(route(t, "x@virt.example"), ROUTE_UNKNOWN_USER);

	put("assign", "=joe-y:bob:2002:2002:/home/bob:::\n");
	tables_refresh(t, &config, 11000);
	assert_int_equal(route(t, "bob@example.org"), ROUTE_USER);
	take_away("virtualdomains");
	put("assign", "=joe-y:bob:2002:2002:/home/bob:::\n.\n");
	tables_refresh(t, &config, 12000);
	assert_int_equal(route(t, "bob@example.org"), ROUTE_USER);
	put("virtualdomains", "new.example:joe\n");
	tables_refresh(t, &config, 13000);
	assert_int_equal(route(t, "bob@example.org"), ROUTE_UNKNOWN_USER);
	assert_int_equal(route(t, "y@new.example"), ROUTE_USER);
	assert_int_equal(route(t, "y@virt.example"), ROUTE_NOT_OURS);
	tables_close(t);
}

/*
 * Users of the host have .qmail files unless it is said that they have none. Who runs the test
 * may be no person (root), and there may be no person at all: the alias user makes the difference.
 */
static void
test_alias_user(void **state)
{
	static const struct {
		const char     *alias_user;
		bool            dot_qmail;
		enum users_source users;
		bool            is_there;
	} rows[] = {
		{ "daemon", true, USERS_SYSTEM, true },
		{ "daemon", false, USERS_SYSTEM, false },
		{ "daemon", true, USERS_FILE, false },
		{ "no-such-user-here", true, USERS_SYSTEM, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct tables *t;

		config.alias_user = bytes_of(rows[i].alias_user);
		config.dot_qmail = rows[i].dot_qmail;
		config.users = rows[i].users;
		t = open_tables();
		assert_int_equal(route(t, "whoever.it.is@example.org"),
		    rows[i].is_there ? ROUTE_USER : ROUTE_UNKNOWN_USER);
		tables_close(t);
	}
}

static void
test_root_as_alias_user(void **state)
{
	struct buf error;

	(void)state;
	config.alias_user = BYTES("root");
	config.dot_qmail = true;
	config.users = USERS_SYSTEM;
	buf_init(&error, ERROR_MAX);
	assert_null(tables_open(&config, &error));
	assert_string_equal(buf_string(&error),
	    "alias_user: has uid 0: deliveries would run as root\n");
	buf_finish(&error);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_missing_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_mistakes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_refresh, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_refresh_soon, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_refresh_of_list, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_qmail_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_mistakes_of_qmail_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_refresh_of_qmail_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_alias_user, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_root_as_alias_user, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
