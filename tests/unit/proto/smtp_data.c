#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/smtp_data.h"

/* What is consumed; what is left over belongs to the next command. */
static const struct {
	struct bytes         wire;
	size_t               used;
	bool                 is_ended;
	enum smtp_data_fault fault;
	uint64_t             size_bytes;
	struct bytes         text;
} rows[] = {
	{ BYTES_INIT(".\r\n"), 3, true, SMTP_DATA_FINE, 0, BYTES_INIT("") },
	{ BYTES_INIT("\r\n.\r\n"), 5, true, SMTP_DATA_FINE, 2, BYTES_INIT("\n") },
	{ BYTES_INIT("a\r\n.\r\nQUIT\r\n"), 6, true, SMTP_DATA_FINE, 3,
	    BYTES_INIT("a\n") },
	{ BYTES_INIT("..\r\n.\r\n"), 7, true, SMTP_DATA_FINE, 3,
	    BYTES_INIT(".\n") },
	{ BYTES_INIT(".a\r\n..b.\r\n.\r\n"), 13, true, SMTP_DATA_FINE, 8,
	    BYTES_INIT("a\n.b.\n") },
	{ BYTES_INIT("a.\r\n.b\r\n"), 8, false, SMTP_DATA_FINE, 7,
	    BYTES_INIT("a.\nb\n") },
	{ BYTES_INIT("a\n.\nb\r\n.\r\n"), 10, true, SMTP_DATA_BARE_LF, 7,
	    BYTES_INIT("a") },
	{ BYTES_INIT(".\n"), 2, false, SMTP_DATA_BARE_LF, 1, BYTES_INIT("") },
	{ BYTES_INIT("\n.\r\n"), 4, false, SMTP_DATA_BARE_LF, 4, BYTES_INIT("") },
	{ BYTES_INIT(".\r.\r\n"), 5, false, SMTP_DATA_BARE_CR, 4, BYTES_INIT("") },
	{ BYTES_INIT("a\rb\r\n.\r\n"), 8, true, SMTP_DATA_BARE_CR, 5,
	    BYTES_INIT("a") },
	{ BYTES_INIT("a\r\r\n.\r\n"), 7, true, SMTP_DATA_BARE_CR, 4,
	    BYTES_INIT("a") },
	{ BYTES_INIT("a\0b\r\n.\r\n"), 8, true, SMTP_DATA_NUL, 5,
	    BYTES_INIT("a") },
	/* the first fault is the one that is told */
	{ BYTES_INIT("a\0b\nc\r\n.\r\n"), 10, true, SMTP_DATA_NUL, 7,
	    BYTES_INIT("a") },
};

static void
check_row(size_t i, size_t piece)
{
	struct smtp_data d = { .is_ended = false };
	struct buf       text;
	size_t           used = 0;

	buf_init(&text, 100);
	while (used < rows[i].wire.n && !d.is_ended)
		used += smtp_data_feed(&d,
		    bytes_first(bytes_from(rows[i].wire, used), piece), &text);
	if (used != rows[i].used || d.is_ended != rows[i].is_ended ||
	    d.fault != rows[i].fault || d.size_bytes != rows[i].size_bytes ||
	    !bytes_equal(buf_bytes(&text), rows[i].text))
		fail_msg("row %zu in pieces of %zu: used %zu ended %d fault %d "
		         "size %zu text %.*s", i, piece, used, d.is_ended,
		    (int)d.fault, (size_t)d.size_bytes,
		    BYTES_ARG(buf_bytes(&text)));
	buf_finish(&text);
}

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t piece = 1; piece <= rows[i].wire.n; piece++)
			check_row(i, piece);
}

/* By BDAT: all of it is consumed, and behind it is the end. */
static const struct {
	struct bytes         wire;
	enum smtp_data_fault fault;
	uint64_t             size_bytes;
	struct bytes         text;
} chunk_rows[] = {
	{ BYTES_INIT(""), SMTP_DATA_FINE, 0, BYTES_INIT("") },
	{ BYTES_INIT(".\r\n"), SMTP_DATA_FINE, 3, BYTES_INIT(".\n") },
	{ BYTES_INIT("a\r\n.\r\n..b\r\n"), SMTP_DATA_FINE, 11,
	    BYTES_INIT("a\n.\n..b\n") },
	{ BYTES_INIT("a"), SMTP_DATA_FINE, 1, BYTES_INIT("a\n") },
	{ BYTES_INIT("."), SMTP_DATA_FINE, 1, BYTES_INIT(".\n") },
	{ BYTES_INIT("a\r\n\r\n"), SMTP_DATA_FINE, 5, BYTES_INIT("a\n\n") },
	{ BYTES_INIT("a\r"), SMTP_DATA_BARE_CR, 2, BYTES_INIT("a") },
	{ BYTES_INIT("\r"), SMTP_DATA_BARE_CR, 1, BYTES_INIT("") },
	{ BYTES_INIT("a\n"), SMTP_DATA_BARE_LF, 2, BYTES_INIT("a") },
	{ BYTES_INIT(".\n"), SMTP_DATA_BARE_LF, 2, BYTES_INIT(".") },
	{ BYTES_INIT("a\0"), SMTP_DATA_NUL, 2, BYTES_INIT("a") },
};

static void
check_chunk_row(size_t i, size_t piece)
{
	struct smtp_data d = { .is_chunked = true };
	struct bytes     rest = chunk_rows[i].wire;
	struct buf       text;

	buf_init(&text, 100);
	for (; rest.n > 0; rest = bytes_from(rest, piece))
		assert_int_equal(smtp_data_feed(&d, bytes_first(rest, piece), &text),
		    bytes_first(rest, piece).n);
	assert_false(d.is_ended);
	smtp_data_end(&d, &text);
	assert_true(d.is_ended);
	if (d.fault != chunk_rows[i].fault ||
	    d.size_bytes != chunk_rows[i].size_bytes ||
	    !bytes_equal(buf_bytes(&text), chunk_rows[i].text))
		fail_msg("row %zu in pieces of %zu: fault %d size %zu text %.*s", i,
		    piece, (int)d.fault, (size_t)d.size_bytes,
		    BYTES_ARG(buf_bytes(&text)));
	buf_finish(&text);
}

static void
test_chunk_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof chunk_rows / sizeof *chunk_rows; i++)
		for (size_t piece = 1; piece <= chunk_rows[i].wire.n + 1; piece++)
			check_chunk_row(i, piece);
}

static void
feed_line(struct smtp_data *d, size_t n, struct buf *text)
{
	for (size_t i = 0; i < n; i++)
		smtp_data_feed(d, BYTES("x"), text);
	smtp_data_feed(d, BYTES("\r\n"), text);
}

static void
test_long_line(void **state)
{
	struct smtp_data d = { .is_ended = false };
	struct buf       text;

	(void)state;
	buf_init(&text, 1024 * 1024);
	feed_line(&d, SMTP_DATA_LINE_MAX, &text);
	feed_line(&d, SMTP_DATA_LINE_MAX, &text);
	assert_int_equal(d.fault, SMTP_DATA_FINE);
	feed_line(&d, SMTP_DATA_LINE_MAX + 1, &text);
	assert_int_equal(d.fault, SMTP_DATA_LONG_LINE);
	smtp_data_feed(&d, BYTES(".\r\n"), &text);
	assert_true(d.is_ended);
	buf_finish(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_chunk_rows),
		cmocka_unit_test(test_long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
