#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/printable.h"
#include "proto/log_line.h"

static const struct {
	const char *text;
	const char *time;
	const char *key;
	const char *value; /* without escapes; NULL: the line is about no event */
} rows[] = {
	{ "id=abc ev=accept from=<a@example.net> why=\"two words\"", "", "why",
	    "two words" },
	{ "id=abc ev=accept from=<a@example.net> why=x", "", "from",
	    "<a@example.net>" },
	{ "ev=login peer=192.0.2.1", "", "peer", "192.0.2.1" },
	{ "ev=e why=\"a \\\"quoted\\\" \\\\ word\" b=c", "", "why",
	    "a \"quoted\" \\ word" },
	{ "ev=e why=\"a \\\"quoted\\\" \\\\ word\" b=c", "", "b", "c" },
	{ "ev=e why=\"id=other ev=forged\"", "", "ev", "e" },
	{ "ev=e why=\"id=other ev=forged\"", "", "id", "" },
	{ "ev=e empty=\"\" b=c", "", "b", "c" },
	{ "2026-11-24T23:30:38.042Z id=a ev=e", "2026-11-24T23:30:38.042Z", "id",
	    "a" },
	{ "Nov 24 23:30:38 host ampel[12]: id=a ev=e", "Nov 24 23:30:38", "id",
	    "a" },
	{ "2026-11-24T23:30:38+0000 host ampel[7]: ev=e", "2026-11-24T23:30:38+0000",
	    "ev", "e" },
	/* a value that does not end is no field */
	{ "id=a ev=e why=\"cut", "", "why", "" },
	{ "ampel-queue: nothing happened", "", "ev", NULL },
	{ "id=a without an event", "", "ev", NULL },
	{ "void=a xev=e", "", "ev", NULL },
	{ "", "", "ev", NULL },
};

static void
test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct log_line line;
		struct buf      plain;
		bool            is_event =
		    log_line_read(bytes_of(rows[i].text), &line);

		assert_int_equal(is_event, rows[i].value != NULL);
		if (!is_event)
			continue;
		assert_true(bytes_equal(line.time, bytes_of(rows[i].time)));
		buf_init(&plain, 1000);
		log_value_add(&plain, log_line_get(&line, rows[i].key));
		assert_string_equal(buf_string(&plain), rows[i].value);
		buf_finish(&plain);
	}
}

/* What is written as a value is read back, whatever it is. */
static void
test_round_trip(void **state)
{
	(void)state;
	for (unsigned first = ' '; first < 127; first++)
		for (unsigned second = ' '; second < 127; second++) {
			const char      value[] = { (char)first, (char)second };
			struct log_line line;
			struct buf      text, plain;

			buf_init(&text, 100);
			buf_init(&plain, 100);
			buf_add_string(&text, "ev=e k=");
			printable_add_value(&text,
			    (struct bytes){ value, sizeof value }, 100);
			buf_add_string(&text, " last=z");
			assert_true(log_line_read(buf_bytes(&text), &line));
			assert_int_equal(line.n, 3);
			log_value_add(&plain, log_line_get(&line, "k"));
			/* runs of blanks are written as one */
			if (first == ' ' && second == ' ')
				assert_string_equal(buf_string(&plain), " ");
			else
				assert_memory_equal(
				    buf_string(&plain), value, sizeof value);
			buf_finish(&text);
			buf_finish(&plain);
		}
}

static void
test_many_fields(void **state)
{
	struct log_line line;
	struct buf      text;

	(void)state;
	buf_init(&text, 10000);
	buf_add_string(&text, "ev=e");
	for (unsigned i = 0; i < 2 * LOG_FIELDS_MAX; i++)
		buf_add_string(&text, " k=v");
	assert_true(log_line_read(buf_bytes(&text), &line));
	assert_int_equal(line.n, LOG_FIELDS_MAX);
	buf_finish(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_many_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
