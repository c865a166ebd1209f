#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/smtp_client_data.h"

/* wire: with dots doubled; without them it is as long as smtp_client_data_size says. */
static const struct {
	struct bytes                stored;
	enum smtp_client_data_fault fault;
	struct bytes                wire;
	size_t                      n_doubled;
} rows[] = {
	{ BYTES_INIT(""), SMTP_CLIENT_DATA_FINE, BYTES_INIT(""), 0 },
	{ BYTES_INIT("\n"), SMTP_CLIENT_DATA_FINE, BYTES_INIT("\r\n"), 0 },
	{ BYTES_INIT("a"), SMTP_CLIENT_DATA_FINE, BYTES_INIT("a\r\n"), 0 },
	{ BYTES_INIT("a\n"), SMTP_CLIENT_DATA_FINE, BYTES_INIT("a\r\n"), 0 },
	{ BYTES_INIT("a\n\nb"), SMTP_CLIENT_DATA_FINE, BYTES_INIT("a\r\n\r\nb\r\n"), 0 },
	{ BYTES_INIT("."), SMTP_CLIENT_DATA_FINE, BYTES_INIT("..\r\n"), 1 },
	{ BYTES_INIT(".\n"), SMTP_CLIENT_DATA_FINE, BYTES_INIT("..\r\n"), 1 },
	{ BYTES_INIT("a\n.\n..b\nc.\n"), SMTP_CLIENT_DATA_FINE,
	    BYTES_INIT("a\r\n..\r\n...b\r\nc.\r\n"), 2 },
	{ BYTES_INIT("a\r\nb\n"), SMTP_CLIENT_DATA_FINE, BYTES_INIT("a\r\nb\r\n"), 0 },
	{ BYTES_INIT("\r\n.\r\n"), SMTP_CLIENT_DATA_FINE, BYTES_INIT("\r\n..\r\n"), 1 },
	{ BYTES_INIT("\x80\xff\x01\t"), SMTP_CLIENT_DATA_FINE,
	    BYTES_INIT("\x80\xff\x01\t\r\n"), 0 },
	{ BYTES_INIT("\r"), SMTP_CLIENT_DATA_BARE_CR, { NULL, 0 }, 0 },
	{ BYTES_INIT("a\rb\n"), SMTP_CLIENT_DATA_BARE_CR, { NULL, 0 }, 0 },
	{ BYTES_INIT("a\r\r\n"), SMTP_CLIENT_DATA_BARE_CR, { NULL, 0 }, 0 },
	{ BYTES_INIT("a\r\n\r"), SMTP_CLIENT_DATA_BARE_CR, { NULL, 0 }, 0 },
	{ BYTES_INIT("a\n\r.\n"), SMTP_CLIENT_DATA_BARE_CR, { NULL, 0 }, 0 },
	{ BYTES_INIT("\0"), SMTP_CLIENT_DATA_NUL, { NULL, 0 }, 0 },
	{ BYTES_INIT("a\n\0"), SMTP_CLIENT_DATA_NUL, { NULL, 0 }, 0 },
};

struct result {
	struct buf                  wire;
	enum smtp_client_data_fault fault;
	size_t                      size;
};

/* At the positions first and second, and the end told with the last piece or behind it. */
static void
encode(struct result *r, struct bytes stored, size_t first, size_t second, bool doubles,
    bool is_end_late)
{
	const size_t            ends[] = { first, second, stored.n, stored.n };
	struct smtp_client_data d = { .size_bytes = 0 };
	size_t                  at = 0;

	*r = (struct result){ .fault = SMTP_CLIENT_DATA_FINE };
	buf_init(&r->wire, 100);
	for (size_t i = 0; i < (is_end_late ? 4 : 3); i++) {
		struct bytes piece = bytes_from(bytes_first(stored, ends[i]), at);
		bool         is_last = i == (is_end_late ? 3 : 2);

		r->fault = smtp_client_data_check(&d, piece, is_last);
		if (r->fault != SMTP_CLIENT_DATA_FINE)
			return;
		r->size += smtp_client_data_size(&d, piece, is_last);
		smtp_client_data_add(&d, piece, is_last, doubles, &r->wire);
		at = ends[i];
	}
	assert_int_equal(d.size_bytes, stored.n);
}

static void
check(size_t i, size_t first, size_t second, bool is_end_late)
{
	struct result doubled, plain;

	encode(&doubled, rows[i].stored, first, second, true, is_end_late);
	encode(&plain, rows[i].stored, first, second, false, is_end_late);
	assert_int_equal(doubled.fault, rows[i].fault);
	assert_int_equal(plain.fault, rows[i].fault);
	if (rows[i].fault == SMTP_CLIENT_DATA_FINE) {
		if (!bytes_equal(buf_bytes(&doubled.wire), rows[i].wire))
			fail_msg("row %zu, cut at %zu and %zu: %.*s", i, first, second,
			    BYTES_ARG(buf_bytes(&doubled.wire)));
		assert_int_equal(plain.wire.len, rows[i].wire.n - rows[i].n_doubled);
		assert_int_equal(plain.size, plain.wire.len);
	}
	buf_finish(&doubled.wire);
	buf_finish(&plain.wire);
}

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t first = 0; first <= rows[i].stored.n; first++)
			for (size_t second = first; second <= rows[i].stored.n; second++) {
				check(i, first, second, false);
				check(i, first, second, true);
			}
}

/* The most that a piece can become is what its buffer must have room for. */
static void
test_room(void **state)
{
	struct smtp_client_data d = { .size_bytes = 0 };
	struct buf              out;

	(void)state;
	buf_init(&out, 12);
	smtp_client_data_add(&d, BYTES(".\n\n.."), true, true, &out);
	assert_false(out.failed);
	assert_int_equal(out.len, 11);
	buf_finish(&out);
	buf_init(&out, 11);
	smtp_client_data_add(&d, BYTES(".\n\n.."), true, true, &out);
	assert_true(out.failed);
	assert_int_equal(out.len, 0);
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
