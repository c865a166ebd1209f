#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "deliver/environment.h"

static const char *
value_of(const char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; *env != NULL; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

static void
test_values(void **state)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{ "SENDER", "ann@far.example" },
		{ "NEWSENDER", "joe-list-owner@a.b.c.example" },
		{ "RECIPIENT", "joe-list-x-y-z@a.b.c.example" },
		{ "USER", "joe" },
		{ "HOME", "/home/joe" },
		{ "LOCAL", "joe-list-x-y-z" },
		{ "HOST", "a.b.c.example" },
		{ "HOST2", "a.b.c" },
		{ "HOST3", "a.b" },
		{ "HOST4", "a" },
		{ "EXT", "list-x-y-z" },
		{ "EXT2", "x-y-z" },
		{ "EXT3", "y-z" },
		{ "EXT4", "z" },
		{ "DEFAULT", "x-y-z" },
		{ "UFLINE", "From ann@far.example Wed Jul 29 23:51:44 2026\n" },
		{ "RPLINE", "Return-Path: <ann@far.example>\n" },
		{ "DTLINE", "Delivered-To: joe-list-x-y-z@a.b.c.example\n" },
		{ "PATH", "/usr/local/bin:/usr/bin:/bin" },
		{ "AMPEL_ID", "id" },
	};
	struct trace       trace;
	struct arena       arena;
	struct environment e = {
		.id = BYTES("id"),
		.sender = BYTES("ann@far.example"),
		.new_sender = BYTES("joe-list-owner@a.b.c.example"),
		.recipient = BYTES("joe-list-x-y-z@a.b.c.example"),
		.local = BYTES("joe-list-x-y-z"),
		.host = BYTES("a.b.c.example"),
		.ext = BYTES("list-x-y-z"),
		.matched = BYTES("x-y-z"),
		.has_default = true,
		.user = BYTES("joe"),
		.home = BYTES("/home/joe"),
		.trace = &trace,
	};
	const char *const *env;
	size_t             n = 0;

	(void)state;
	trace_make(&trace, e.sender, BYTES("joe-list-x-y-z@a.b.c.example"),
	    1785369104000);
	arena_init(&arena, 1 << 16);
	env = environment_make(&e, &arena);
	assert_non_null(env);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_string_equal(value_of(env, rows[i].name), rows[i].value);
	while (env[n] != NULL)
		n++;
	assert_int_equal(n, sizeof rows / sizeof rows[0]);
	arena_finish(&arena);
}

/* Without a dot HOST2 is HOST, without a dash EXT2 is empty, as in qmail. */
static void
test_few_parts(void **state)
{
	struct trace       trace;
	struct arena       arena;
	struct environment e = {
		.sender = BYTES(""),
		.new_sender = BYTES(""),
		.local = BYTES("joe"),
		.host = BYTES("localhost"),
		.ext = BYTES("list"),
		.user = BYTES("joe"),
		.home = BYTES("/"),
		.trace = &trace,
	};
	const char *const *env;

	(void)state;
	trace_make(&trace, e.sender, BYTES("joe@localhost"), 0);
	arena_init(&arena, 1 << 16);
	env = environment_make(&e, &arena);
	assert_non_null(env);
	assert_string_equal(value_of(env, "HOST2"), "localhost");
	assert_string_equal(value_of(env, "HOST4"), "localhost");
	assert_string_equal(value_of(env, "EXT2"), "");
	assert_string_equal(value_of(env, "EXT4"), "");
	assert_null(value_of(env, "DEFAULT"));
	assert_string_equal(value_of(env, "SENDER"), "");
	assert_string_equal(value_of(env, "RPLINE"), "Return-Path: <>\n");
	assert_string_equal(value_of(env, "UFLINE"),
	    "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n");
	arena_finish(&arena);
}

/* Lines stay lines, whatever is in an address. */
static void
test_hostile(void **state)
{
	struct trace trace;
	char         text[4096];

	(void)state;
	trace_make(&trace, BYTES("\"a b\nX: y\"@far.example"),
	    BYTES("joe@x\nBcc: eve"), 0);
	assert_string_equal(trace.return_path,
	    "Return-Path: <\"a b X: y\"@far.example>\n");
	assert_string_equal(trace.delivered_to, "Delivered-To: joe@x Bcc: eve\n");
	assert_string_equal(trace.from_line,
	    "From \"a-b-X:-y\"@far.example Thu Jan  1 00:00:00 1970\n");
	memset(text, 'x', sizeof text);
	trace_make(&trace, (struct bytes){ text, sizeof text },
	    (struct bytes){ text, sizeof text }, 0);
	assert_non_null(strchr(trace.return_path, '\n'));
	assert_non_null(strchr(trace.delivered_to, '\n'));
	assert_non_null(strstr(trace.from_line, " 1970\n"));
}

static void
test_refused(void **state)
{
	struct trace       trace = { .from_line = "" };
	struct arena       arena;
	struct environment e = { .sender = BYTES("a\0b"), .trace = &trace };

	(void)state;
	arena_init(&arena, 1 << 16);
	assert_null(environment_make(&e, &arena));
	arena_finish(&arena);
	arena_init(&arena, 64);
	e.sender = BYTES("ab");
	assert_null(environment_make(&e, &arena));
	arena_finish(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_few_parts),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
