#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/dot_qmail.h"

/* What was read, as "NUMBER KIND TEXT", line by line. */
static void
describe(struct buf *b, const struct dot_qmail *q)
{
	static const char *const kinds[] = { "program", "mbox", "maildir", "forward" };

	for (size_t i = 0; i < q->n; i++)
		buf_addf(b, "%u %s %.*s\n", q->lines[i].number,
		    kinds[q->lines[i].kind], BYTES_ARG(q->lines[i].text));
}

static void
expect(struct bytes content, bool forward_only, enum dot_qmail_result result,
    unsigned mistake, const char *lines)
{
	struct dot_qmail q;
	struct arena     arena;
	struct buf       b;

	arena_init(&arena, 1 << 20);
	buf_init(&b, 1 << 16);
	assert_int_equal(dot_qmail_read(&q, content, forward_only, &arena), result);
	assert_int_equal(q.mistake, mistake);
	if (result == DOT_QMAIL_OK) {
		describe(&b, &q);
		assert_string_equal(buf_string(&b), lines);
	}
	buf_finish(&b);
	arena_finish(&arena);
}

static void
test_lines(void **state)
{
	static const struct {
		const char *content;
		bool        forward_only;
		const char *lines;
	} rows[] = {
		{ "", false, "" },
		{ "# a comment\n", false, "" },
		{ "# first\n\n  \t\n# last", false, "" },
		{ "|preline /usr/bin/vacation djb\n", false,
		    "1 program preline /usr/bin/vacation djb\n" },
		{ "| exit 99  \t\n", false, "1 program  exit 99\n" },
		{ "|\n", false, "1 program \n" },
		{ "&me@new.example\n", false, "1 forward me@new.example\n" },
		{ "me@new.example \n", false, "1 forward me@new.example\n" },
		{ "& me@new.example\n", false, "1 forward  me@new.example\n" },
		{ "&\n", false, "1 forward \n" },
		{ "./Mailbox\n", false, "1 mbox ./Mailbox\n" },
		{ "/home/joe/Mailbox\n", false, "1 mbox /home/joe/Mailbox\n" },
		{ "./Maildir/\n", false, "1 maildir ./Maildir\n" },
		{ "/home/joe/Maildir/ \n", false, "1 maildir /home/joe/Maildir\n" },
		{ "./a//\n./\n/\n.\n", false,
		    "1 maildir ./a\n2 maildir .\n3 maildir \n4 mbox .\n" },
		{ ".hidden\n", false, "1 mbox .hidden\n" },
		{ "|one\n#\n./two\n\nthree@x.example", false,
		    "1 program one\n3 mbox ./two\n5 forward three@x.example\n" },
		{ "./file\n+list\nann@x.example\n", false,
		    "1 mbox ./file\n3 forward ann@x.example\n" },
		{ "+list  \nann@x.example\n", false, "2 forward ann@x.example\n" },
		{ "+later\n./file\n", false, "2 mbox ./file\n" },
		{ "+listing\n./file\n", false, "2 mbox ./file\n" },
		{ "&ann@x.example\n", true, "1 forward ann@x.example\n" },
		{ "./crlf\r\n", false, "1 mbox ./crlf\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect(bytes_of(rows[i].content), rows[i].forward_only,
		    DOT_QMAIL_OK, 0, rows[i].lines);
}

static void
test_refused(void **state)
{
	static const struct {
		struct bytes          content;
		bool                  forward_only;
		enum dot_qmail_result result;
		unsigned              mistake;
	} rows[] = {
		{ BYTES_INIT("\n"), false, DOT_QMAIL_BLANK, 1 },
		{ BYTES_INIT(" \t\n./Mailbox\n"), false, DOT_QMAIL_BLANK, 1 },
		{ BYTES_INIT(" "), false, DOT_QMAIL_BLANK, 1 },
		{ BYTES_INIT("\n"), true, DOT_QMAIL_BLANK, 1 },
		{ BYTES_INIT("./Mail\0box\n"), false, DOT_QMAIL_MISTAKE, 1 },
		{ BYTES_INIT("ann@x.example\n#\0\n"), false, DOT_QMAIL_MISTAKE, 2 },
		{ BYTES_INIT("|rm x\n"), true, DOT_QMAIL_MISTAKE, 1 },
		{ BYTES_INIT("ann@x.example\n./Mailbox\n"), true,
		    DOT_QMAIL_MISTAKE, 2 },
		{ BYTES_INIT("./Maildir/\n"), true, DOT_QMAIL_MISTAKE, 1 },
		{ BYTES_INIT("./file\n+list\n|program\n"), false,
		    DOT_QMAIL_MISTAKE, 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect(rows[i].content, rows[i].forward_only, rows[i].result,
		    rows[i].mistake, "");
}

/* So many lines are read, and not one more. */
static void
test_limits(void **state)
{
	struct dot_qmail q;
	struct arena     arena;
	struct buf       b;

	(void)state;
	arena_init(&arena, 4 << 20);
	buf_init(&b, DOT_QMAIL_MAX);
	for (unsigned i = 0; i < DOT_QMAIL_LINES_MAX; i++)
		buf_add_string(&b, "a@b\n#\n");
	assert_int_equal(dot_qmail_read(&q, buf_bytes(&b), true, &arena),
	    DOT_QMAIL_OK);
	assert_int_equal(q.n, DOT_QMAIL_LINES_MAX);
	assert_int_equal(q.lines[q.n - 1].number, 2 * DOT_QMAIL_LINES_MAX - 1);
	buf_add_string(&b, "a@b\n");
	assert_int_equal(dot_qmail_read(&q, buf_bytes(&b), true, &arena),
	    DOT_QMAIL_MISTAKE);
	assert_int_equal(q.mistake, 2 * DOT_QMAIL_LINES_MAX + 1);
	arena_finish(&arena);

	arena_init(&arena, 16);
	assert_int_equal(dot_qmail_read(&q, buf_bytes(&b), true, &arena),
	    DOT_QMAIL_NO_MEMORY);
	arena_finish(&arena);
	buf_finish(&b);
}

/* "NAME=MATCHED NAME=MATCHED ..." */
static void
test_names(void **state)
{
	static const struct {
		const char *dash, *ext, *names;
	} rows[] = {
		{ "", "", ".qmail=" },
		{ "-", "", ".qmail-= .qmail-default=" },
		{ "-", "list", ".qmail-list= .qmail-default=list" },
		{ "-", "List-Sub-2026.11", ".qmail-list-sub-2026:11= "
		    ".qmail-list-sub-default=2026.11 "
		    ".qmail-list-default=Sub-2026.11 "
		    ".qmail-default=List-Sub-2026.11" },
		{ "-", "list-", ".qmail-list-= .qmail-list-default= "
		    ".qmail-default=list-" },
		{ "-", "-", ".qmail--= .qmail--default= .qmail-default=-" },
		{ "+", "x", ".qmail+x= .qmail+default=x" },
		{ "", "x", ".qmailx= .qmaildefault=x" },
		/* ways that lead away are no names */
		{ "-", "../../etc", ".qmail-default=../../etc" },
		{ "-", "a-b/c", ".qmail-a-default=b/c .qmail-default=a-b/c" },
		{ "-", "a/b-c", ".qmail-default=a/b-c" },
		{ "/x", "a", "" },
		{ "-x.Y-", "z.Z", ".qmail-x.Y-z:z= .qmail-x.Y-default=z.Z" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char         name[256];
		struct bytes matched;
		unsigned     step = 0;
		struct buf   b;

		buf_init(&b, 1 << 16);
		while (dot_qmail_next_name(bytes_of(rows[i].dash),
		    bytes_of(rows[i].ext), &step, name, &matched))
			buf_addf(&b, "%s%s=%.*s", b.len ? " " : "", name,
			    BYTES_ARG(matched));
		assert_string_equal(buf_string(&b), rows[i].names);
		buf_finish(&b);
	}
}

/* The longest name is 255 bytes; the shorter ones behind it still come. */
static void
test_long_names(void **state)
{
	char         ext[300], name[256];
	struct bytes matched;
	unsigned     step = 0;

	(void)state;
	memset(ext, 'x', sizeof ext);
	assert_true(dot_qmail_next_name(
	    BYTES("-"), (struct bytes){ ext, 248 }, &step, name, &matched));
	assert_int_equal(strlen(name), 255);
	step = 0;
	ext[1] = '-';
	assert_true(dot_qmail_next_name(
	    BYTES("-"), (struct bytes){ ext, 249 }, &step, name, &matched));
	assert_string_equal(name, ".qmail-x-default");
	assert_int_equal(matched.n, 247);
	step = 0;
	assert_true(dot_qmail_next_name(BYTES("-"),
	    BYTES("a\0b"), &step, name, &matched));
	assert_string_equal(name, ".qmail-default");
	assert_false(dot_qmail_next_name(BYTES("-"),
	    BYTES("a\0b"), &step, name, &matched));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
