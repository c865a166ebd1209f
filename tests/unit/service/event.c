#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/printable.h"
#include "io/log.h"
#include "io/memfile.h"
#include "service/event.h"

enum { VALUE_MAX = 512 }; /* of one value, before quoting */

static struct buf line; /* what event_end wrote */

/* Write the event, and take from stderr what it wrote: one line. */
static void
end(struct event *e)
{
	int log = memfile_new("log");
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	assert_int_not_equal(log, -1);
	assert_int_not_equal(saved, -1);
	dup2(log, STDERR_FILENO);
	event_end(e);
	dup2(saved, STDERR_FILENO);
	close(saved);
	buf_clear(&line);
	assert_int_equal(memfile_read(log, 0, &line), 0);
	close(log);
	assert_true(line.len > 0 && line.len <= LOG_LINE_MAX);
	assert_int_equal(line.p[line.len - 1], '\n');
	line.len--;
	assert_true(printable_is(buf_bytes(&line)));
}

static void
fields(void **state)
{
	static const uint8_t random[ID_RANDOM] = { 1, 2, 3 };
	struct id            id = id_make(1750000000000, random);
	struct event         e = event_begin("accept", &id);

	(void)state;
	event_path(&e, "from", BYTES("a@example.net"));
	event_text(&e, "helo", BYTES("mx.example.net"));
	event_number(&e, "size", UINT64_MAX);
	event_milli(&e, "score", -1500);
	event_status(&e, "status", STATUS(5, 7, 1));
	end(&e);
	assert_int_equal(strncmp(buf_string(&line), "id=", 3), 0);
	assert_int_equal(strncmp(line.p + 3, id_text(&id).p, ID_TEXT), 0);
	assert_string_equal(line.p + 3 + ID_TEXT,
	    " ev=accept from=<a@example.net> helo=mx.example.net "
	    "size=18446744073709551615 score=-1.5 status=5.7.1");
}

static void
without_an_id(void **state)
{
	struct event e = event_begin("begin", NULL);

	(void)state;
	end(&e);
	assert_string_equal(buf_string(&line), "ev=begin");
}

static void
quoting(void **state)
{
	static const struct {
		struct bytes value;
		const char  *text, *path;
	} rows[] = {
		{ BYTES_INIT(""), "\"\"", "<>" },
		{ BYTES_INIT("a@b"), "a@b", "<a@b>" },
		{ BYTES_INIT("a b"), "\"a b\"", "\"<a b>\"" },
		{ BYTES_INIT("a\"b"), "\"a\\\"b\"", "\"<a\\\"b>\"" },
		{ BYTES_INIT("a\\"), "\"a\\\\\"", "\"<a\\\\>\"" },
		{ BYTES_INIT("a;b"), "\"a;b\"", "\"<a;b>\"" },
		/* nothing can look like another field or another line */
		{ BYTES_INIT("x ev=accept"), "\"x ev=accept\"", "\"<x ev=accept>\"" },
		{ BYTES_INIT("x\" ev=y z=\""), "\"x\\\" ev=y z=\\\"\"",
		    "\"<x\\\" ev=y z=\\\">\"" },
		{ BYTES_INIT("x\r\nev=y"), "\"x ev=y\"", "\"<x ev=y>\"" },
		{ BYTES_INIT("\0\x1b[2J"), "\"??[2J\"", "\"<??[2J>\"" },
		{ BYTES_INIT("\xc3\xbc\x7f\x9b"), "\"????\"", "\"<???\?>\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct event e = event_begin("e", NULL);

		event_text(&e, "k", rows[i].value);
		end(&e);
		assert_string_equal(buf_string(&line) + strlen("ev=e k="), rows[i].text);
		e = event_begin("e", NULL);
		event_path(&e, "k", rows[i].value);
		end(&e);
		assert_string_equal(buf_string(&line) + strlen("ev=e k="), rows[i].path);
	}
}

/* end() looks at every byte of the line. */
static void
no_byte_of_a_stranger(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char         text[3] = { 'a', (char)c, 'z' };
		struct bytes value = { text, sizeof text };
		struct event e = event_begin("e", NULL);

		event_text(&e, "k", value);
		event_path(&e, "p", value);
		event_text(&e, "last", BYTES("here"));
		end(&e);
		assert_non_null(strstr(buf_string(&line), " last=here"));
	}
}

static void
values_are_cut(void **state)
{
	static char text[2 * VALUE_MAX];
	static const struct {
		size_t n;
		bool   is_path;
		size_t kept; /* bytes of the value, in quotes or not, and of < > */
		bool   is_quoted;
	} rows[] = {
		{ VALUE_MAX - 1, false, VALUE_MAX - 1, false },
		{ VALUE_MAX, false, VALUE_MAX, false },
		{ VALUE_MAX + 1, false, VALUE_MAX, true },
		{ 2 * VALUE_MAX, false, VALUE_MAX, true },
		{ VALUE_MAX - 3, true, VALUE_MAX - 1, false },
		{ VALUE_MAX - 2, true, VALUE_MAX, false },
		{ VALUE_MAX - 1, true, VALUE_MAX, false },
		{ 2 * VALUE_MAX, true, VALUE_MAX, false },
	};

	(void)state;
	memset(text, 'a', sizeof text);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes value = { text, rows[i].n };
		struct event e = event_begin("e", NULL);
		char         last = rows[i].is_quoted ? '"' : 'a';

		if (rows[i].is_path)
			event_path(&e, "k", value);
		else
			event_text(&e, "k", value);
		end(&e);
		assert_int_equal(line.len,
		    strlen("ev=e k=") + rows[i].kept + (rows[i].is_quoted ? 2 : 0));
		/* The end of a path is never what is cut. */
		assert_int_equal(line.p[line.len - 1], rows[i].is_path ? '>' : last);
	}
}

/*
 * More than a line holds: the line ends behind a whole field, wherever the limit
 * falls, and no later field follows.
 */
static void
line_is_bounded(void **state)
{
	static char quotes[VALUE_MAX], padding[VALUE_MAX];

	(void)state;
	memset(padding, 'a', sizeof padding);
	memset(quotes, '"', sizeof quotes);
	for (size_t shift = 0; shift <= VALUE_MAX; shift++) {
		struct event e = event_begin("e", NULL);
		size_t       field = strlen(" k=\"\"") + 2 * VALUE_MAX;
		size_t       first = strlen("ev=e s=") + shift + (shift ? 0 : 2);

		event_text(&e, "s", (struct bytes){ padding, shift });
		for (int i = 0; i < 10; i++)
			event_text(&e, "k", (struct bytes){ quotes, sizeof quotes });
		event_number(&e, "n", 1);
		event_status(&e, "status", STATUS(2, 0, 0));
		event_milli(&e, "m", 1);
		event_path(&e, "p", BYTES("a"));
		end(&e);
		assert_int_equal((line.len - first) % field, 0);
		assert_true(line.len + field > LOG_LINE_MAX - 1);
	}
}

/* The last field may fill the line to its last byte. */
static void
line_may_be_full(void **state)
{
	static char text[VALUE_MAX];
	size_t      n;

	(void)state;
	memset(text, 'a', sizeof text);
	for (size_t more = 0; more < 2; more++) {
		struct event e = event_begin("e", NULL);

		for (int i = 0; i < 7; i++)
			event_text(&e, "k", (struct bytes){ text, sizeof text });
		n = LOG_LINE_MAX - 1 - strlen("ev=e") -
		    7 * (strlen(" k=") + VALUE_MAX) - strlen(" k=");
		assert_true(n < VALUE_MAX);
		event_text(&e, "k", (struct bytes){ text, n + more });
		end(&e);
		assert_int_equal(line.len, LOG_LINE_MAX - 1 - more * (n + strlen(" k=")));
	}
}

static int
open_line(void **state)
{
	(void)state;
	buf_init(&line, 2 * LOG_LINE_MAX);
	return 0;
}

static int
close_line(void **state)
{
	(void)state;
	buf_finish(&line);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(without_an_id),
		cmocka_unit_test(quoting),
		cmocka_unit_test(no_byte_of_a_stranger),
		cmocka_unit_test(values_are_cut),
		cmocka_unit_test(line_is_bounded),
		cmocka_unit_test(line_may_be_full),
	};

	return cmocka_run_group_tests(tests, open_line, close_line);
}
