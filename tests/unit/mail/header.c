#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "mail/header.h"

#define X10 "xxxxxxxxxx"
#define X57 X10 X10 X10 X10 X10 "xxxxxxx"
#define B10 "          "
#define B50 B10 B10 B10 B10 B10

/* A row of the filter: what goes in, what comes out, what was counted. */
struct row {
	struct bytes in, out;
	size_t       hops, dropped;
};

#define SAME(text) BYTES_INIT(text), BYTES_INIT(text)

static const struct row rows[] = {
	{ SAME(""), 0, 0 },
	{ SAME("\n"), 0, 0 },
	{ SAME("A: b\n\nbody\n"), 0, 0 },
	{ SAME("A: b"), 0, 0 },
	{ SAME("A: b\n"), 0, 0 },
	{ SAME("A:\n\n"), 0, 0 },
	{ SAME("A"), 0, 0 },

	/* ours go, in every spelling */
	{ BYTES_INIT("X-Spam-Flag: YES\nA: b\n\n"), BYTES_INIT("A: b\n\n"), 0, 1 },
	{ BYTES_INIT("A: b\nx-sPAM-status:No\n\n"), BYTES_INIT("A: b\n\n"), 0, 1 },
	{ BYTES_INIT("X-Spam-:\n"), BYTES_INIT(""), 0, 1 },
	{ BYTES_INIT("X-AMPEL-VERDICT: green\n\nx"), BYTES_INIT("\nx"), 0, 1 },
	{ BYTES_INIT("X-Spam-Flag: YES"), BYTES_INIT(""), 0, 1 },
	{ BYTES_INIT("X-Spam-A: b\nX-Spam-C: d\n"), BYTES_INIT(""), 0, 2 },
	{ BYTES_INIT("X-Spam-Flag : YES\n"), BYTES_INIT(""), 0, 1 },
	{ BYTES_INIT("X-Spam-Flag \t \t: YES\n\n"), BYTES_INIT("\n"), 0, 1 },
	{ BYTES_INIT("X-Spam-Flag" B50 B50 ": YES\nA: b\n"),
	    BYTES_INIT("A: b\n"), 0, 1 },
	{ BYTES_INIT("X-Spam-Flag" B50 B50 "\nA: b\n"),
	    BYTES_INIT("A: b\n"), 0, 1 },
	{ BYTES_INIT("X-Spam-Flag: YES\r\nA: b\r\n\r\n"),
	    BYTES_INIT("A: b\r\n\r\n"), 0, 1 },

	/* and their continuation lines with them */
	{ BYTES_INIT("X-Spam-A: b\n c\n\td\n \n\t\nA: b\n\n"),
	    BYTES_INIT("A: b\n\n"), 0, 1 },
	{ BYTES_INIT("X-Spam-A:\n X-Spam-C: d\nA: b\n"),
	    BYTES_INIT("A: b\n"), 0, 1 },
	{ SAME("A: b\n X-Spam-Flag: YES\n\n"), 0, 0 },
	{ SAME("A: b\n\tReceived: x\n\n"), 0, 0 },
	{ BYTES_INIT("A: b\n \nX-Spam-Flag: YES\n"), BYTES_INIT("A: b\n \n"), 0, 1 },

	/* names that only look like ours */
	{ SAME("X-Spam: a\nX-SpamFlag: b\nX-Ampel: c\n"), 0, 0 },
	{ SAME("X-Ampel-Verdicts: a\nXX-Spam-A: b\n"), 0, 0 },
	{ SAME("Subject: X-Spam-Flag: YES\n"), 0, 0 },
	{ BYTES_INIT("X-Spam-" X57 ": 64 bytes\n"), BYTES_INIT(""), 0, 1 },
	{ SAME("X-Spam-" X57 "x: 65 bytes\n"), 0, 0 },
	{ SAME(X57 X57 X57 ": a\n"), 0, 0 },

	/* behind an empty line, or a line that is no field, all is body */
	{ SAME("\nX-Spam-Flag: YES\n"), 0, 0 },
	{ SAME("A: b\n\nX-Spam-Flag: YES\n"), 0, 0 },
	{ SAME("A: b\nno field\nX-Spam-Flag: YES\n"), 0, 0 },
	{ SAME("A: b\nnofield\nX-Spam-Flag: YES\n"), 0, 0 },
	{ SAME("A: b\n: c\nX-Spam-Flag: YES\n"), 0, 0 },
	{ SAME("A: b\n\r\nX-Spam-Flag: YES\n"), 0, 0 },
	{ SAME("X-Spam-Flag\nX-Spam-Flag: YES\n"), 0, 0 },
	{ SAME("X-Spam-Flag \t YES\nX-Spam-Flag: YES\n"), 0, 0 },
	{ SAME("X-Spam-Flag"), 0, 0 },
	{ SAME("X-Spam-Flag \t"), 0, 0 },
	{ SAME("X-Sp\0am: a\nX-Spam-Flag: YES\n"), 0, 0 },
	{ SAME("X-Sp\xe9: a\nX-Spam-Flag: YES\n"), 0, 0 },
	{ SAME(X57 X57 "\nX-Spam-Flag: YES\n"), 0, 0 },
	{ SAME("From a@b Mon Jan  1 00:00:00 2026\nReceived: x\n"), 0, 0 },

	/* the first line will continue our own field: the section goes on */
	{ BYTES_INIT(" a\nX-Spam-Flag: YES\n\n"), BYTES_INIT(" a\n\n"), 0, 1 },

	/* hops */
	{ SAME("Received: a\nreceived : b\nDELIVERED-TO: c\n\n"), 3, 0 },
	{ SAME("Received" B50 B50 ": a\n"), 1, 0 },
	{ SAME("Received-SPF: a\nX-Received: b\nReceived\n"), 0, 0 },
	{ SAME("A: b\n\nReceived: a\n"), 0, 0 },
	{ SAME("Received:"), 1, 0 },
	{ BYTES_INIT("Received: a\nX-Spam-A: b\nReceived: c\n\n"),
	    BYTES_INIT("Received: a\nReceived: c\n\n"), 2, 1 },
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static void
check_row(const struct row *row, const struct header_filter *f, struct buf *out)
{
	if (!bytes_equal(buf_bytes(out), row->out))
		fail_msg("%.*s became %.*s", BYTES_ARG(row->in),
		    BYTES_ARG(buf_bytes(out)));
	assert_int_equal(f->hops, row->hops);
	assert_int_equal(f->dropped, row->dropped);
}

static void
whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct header_filter f = { 0 };
		struct buf           out;

		buf_init(&out, 10000);
		header_filter_feed(&f, rows[i].in, &out);
		header_filter_end(&f, &out);
		check_row(&rows[i], &f, &out);
		buf_finish(&out);
	}
}

static void
byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct header_filter f = { 0 };
		struct buf           out;

		buf_init(&out, 10000);
		for (size_t at = 0; at < rows[i].in.n; at++) {
			char         c = rows[i].in.p[at];
			struct bytes piece = { &c, 1 };

			header_filter_feed(&f, piece, &out);
			header_filter_feed(&f, BYTES(""), &out);
		}
		header_filter_end(&f, &out);
		check_row(&rows[i], &f, &out);
		buf_finish(&out);
	}
}

static void
cut_in_two_everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++)
		for (size_t at = 0; at <= rows[i].in.n; at++) {
			struct header_filter f = { 0 };
			struct buf           out;

			buf_init(&out, 10000);
			header_filter_feed(
			    &f, bytes_first(rows[i].in, at), &out);
			header_filter_feed(
			    &f, bytes_from(rows[i].in, at), &out);
			header_filter_end(&f, &out);
			check_row(&rows[i], &f, &out);
			buf_finish(&out);
		}
}

/* --- fields that are missing --- */

#define D "Date: today\n"
#define M "Message-ID: <1@mx.example>\n"
#define X64 X57 "xxxxxxx"

static const struct row additions[] = {
	{ BYTES_INIT("A: b\n\nbody\n"), BYTES_INIT("A: b\n" D M "\nbody\n"), 0, 0 },
	{ BYTES_INIT("A: b\n c\n\n"), BYTES_INIT("A: b\n c\n" D M "\n"), 0, 0 },
	{ BYTES_INIT("A: b\n"), BYTES_INIT("A: b\n" D M), 0, 0 },
	{ BYTES_INIT("A:\n"), BYTES_INIT("A:\n" D M), 0, 0 },

	/* those that are there, in every spelling */
	{ SAME("Date: b\nMessage-ID: c\n\nbody\n"), 0, 0 },
	{ SAME("mESSAGE-iD:\nDATE \t : b\n"), 0, 0 },
	{ BYTES_INIT("Date: b\n\n"), BYTES_INIT("Date: b\n" M "\n"), 0, 0 },
	{ SAME("Message-ID: b\nDate: c\nDate: d\n\n"), 0, 0 },

	/* those that are elsewhere, or only look so */
	{ BYTES_INIT("A: b\n Date: c\n\nMessage-ID: d\n"),
	    BYTES_INIT("A: b\n Date: c\n" D M "\nMessage-ID: d\n"), 0, 0 },
	{ BYTES_INIT("Resent-Date: b\nX-Message-ID: c\nDates: d\nDat: e\n\n"),
	    BYTES_INIT("Resent-Date: b\nX-Message-ID: c\nDates: d\nDat: e\n"
	               D M "\n"), 0, 0 },

	/* no header section: an empty line parts them from the body */
	{ BYTES_INIT(""), BYTES_INIT(D M), 0, 0 },
	{ BYTES_INIT("\n"), BYTES_INIT(D M "\n"), 0, 0 },
	{ BYTES_INIT("\nbody\n"), BYTES_INIT(D M "\nbody\n"), 0, 0 },
	{ BYTES_INIT("body\n"), BYTES_INIT(D M "\nbody\n"), 0, 0 },
	{ BYTES_INIT("the body: x\n"), BYTES_INIT(D M "\nthe body: x\n"), 0, 0 },
	{ BYTES_INIT(": x\n"), BYTES_INIT(D M "\n: x\n"), 0, 0 },
	{ BYTES_INIT("Date\n"), BYTES_INIT(D M "\nDate\n"), 0, 0 },
	{ BYTES_INIT("bo"), BYTES_INIT(D M "\nbo"), 0, 0 },
	{ BYTES_INIT("X-Spam-Flag\n"), BYTES_INIT(D M "\nX-Spam-Flag\n"), 0, 0 },

	/* the section ends with a line that is no field */
	{ BYTES_INIT("A: b\nno field\nDate: c\n"),
	    BYTES_INIT("A: b\n" D M "no field\nDate: c\n"), 0, 0 },
	{ BYTES_INIT("A: b\nno"), BYTES_INIT("A: b\n" D M "no"), 0, 0 },
	{ BYTES_INIT("X-Spam-A: b\n\n"), BYTES_INIT(D M "\n"), 0, 1 },

	/* a colon that is too far away */
	{ BYTES_INIT(X64 ": b\n\n"), BYTES_INIT(X64 ": b\n" D M "\n"), 0, 0 },
	{ BYTES_INIT(X64 "x: b\nA: c\n\n"),
	    BYTES_INIT(D M "\n" X64 "x: b\nA: c\n\n"), 0, 0 },
	{ BYTES_INIT("A: b\n" X64 "x\n"), BYTES_INIT("A: b\n" D M X64 "x\n"), 0, 0 },

	{ BYTES_INIT("A: b\nDate" B50 B50 ": c\n"),
	    BYTES_INIT("A: b\n" D M "Date" B50 B50 ": c\n"), 0, 0 },

	/* a line without an end cannot have one behind it */
	{ SAME("A: b"), 0, 0 },
	{ SAME("A:"), 0, 0 },
};

static struct header_filter
adding_filter(void)
{
	return (struct header_filter){
		.missing = {
			{ BYTES("Date"), BYTES(D) },
			{ BYTES("Message-ID"), BYTES(M) },
		},
	};
}

static void
missing_fields_are_added(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof additions / sizeof additions[0]; i++)
		for (size_t at = 0; at <= additions[i].in.n; at++) {
			struct header_filter f = adding_filter();
			struct buf           out;

			buf_init(&out, 10000);
			header_filter_feed(&f, bytes_first(additions[i].in, at), &out);
			header_filter_feed(&f, bytes_from(additions[i].in, at), &out);
			header_filter_end(&f, &out);
			check_row(&additions[i], &f, &out);
			buf_finish(&out);
		}
}

static void
fields_come_off_one_by_one(void **state)
{
	static const struct {
		const char *raw, *name, *value;
	} fields[] = {
		{ "A: b\n", "A", " b" },
		{ "Sub-ject!:c\n", "Sub-ject!", "c" },
		{ "D \t: e\n", "D", " e" },
		{ "F:\n", "F", "" },
		{ "G: h\n i\n\tj: k\n", "G", " h\n i\n\tj: k" },
		{ "L:\n m\n \n", "L", "\n m\n " },
		{ "N: \xc3\xa9\r\n", "N", " \xc3\xa9\r" },
	};
	char                text[200] = "";
	struct bytes        rest;
	struct header_field f;

	(void)state;
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		strcat(text, fields[i].raw);
	strcat(text, "\nbody: x\n");
	rest = bytes_of(text);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		assert_true(header_next(&rest, &f));
		assert_true(bytes_equal(f.raw, bytes_of(fields[i].raw)));
		assert_true(bytes_equal(f.name, bytes_of(fields[i].name)));
		assert_true(bytes_equal(f.value, bytes_of(fields[i].value)));
	}
	assert_false(header_next(&rest, &f));
	assert_true(bytes_equal(rest, BYTES("\nbody: x\n")));
}

static void
the_last_field_needs_no_line_end(void **state)
{
	static const char *const values[] = { "", " b", " b\n c", " b\n " };

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		char                text[20] = "A:";
		struct bytes        rest;
		struct header_field f;

		strcat(text, values[i]);
		rest = bytes_of(text);
		assert_true(header_next(&rest, &f));
		assert_true(bytes_equal(f.value, bytes_of(values[i])));
		assert_true(bytes_equal(f.raw, bytes_of(text)));
		assert_int_equal(rest.n, 0);
	}
}

static void
what_is_no_field_ends_the_section(void **state)
{
	static const struct bytes ends[] = {
		BYTES_INIT(""), BYTES_INIT("\n"), BYTES_INIT("\nA: b\n"),
		BYTES_INIT("A"), BYTES_INIT("A\n"), BYTES_INIT("A "),
		BYTES_INIT("A b: c\n"), BYTES_INIT(": a\n"), BYTES_INIT(" A: b\n"),
		BYTES_INIT(" : b\n"), BYTES_INIT("\tA: b\n"), BYTES_INIT("\r\n"),
		BYTES_INIT("A\0: b\n"), BYTES_INIT("\xc3\xa9: b\n"),
		BYTES_INIT("A\x7f: b\n"), BYTES_INIT("A\n : b\n"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		struct bytes        rest = ends[i];
		struct header_field f;

		assert_false(header_next(&rest, &f));
		assert_ptr_equal(rest.p, ends[i].p);
		assert_int_equal(rest.n, ends[i].n);
	}
}

static void
a_body_passes_as_it_is(void **state)
{
	char                 body[256];
	struct header_filter f = { 0 };
	struct buf           out;

	(void)state;
	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (char)i;
	buf_init(&out, 1 << 20);
	header_filter_feed(&f, BYTES("A: b\n\n"), &out);
	for (size_t i = 0; i < 1000; i++)
		header_filter_feed(
		    &f, (struct bytes){ body, sizeof body }, &out);
	header_filter_end(&f, &out);
	assert_int_equal(out.len, 6 + 1000 * sizeof body);
	for (size_t i = 6; i < out.len; i += sizeof body)
		assert_memory_equal(out.p + i, body, sizeof body);
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(cut_in_two_everywhere),
		cmocka_unit_test(missing_fields_are_added),
		cmocka_unit_test(fields_come_off_one_by_one),
		cmocka_unit_test(the_last_field_needs_no_line_end),
		cmocka_unit_test(what_is_no_field_ends_the_section),
		cmocka_unit_test(a_body_passes_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
