#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/qmail_queue.h"

enum { LISTED_MAX = 8 };

/* Of a whole one: reverse-path, then its recipients. */
struct row {
	struct bytes          text;
	enum qmail_queue_code code;
	const char           *reverse_path;
	const char           *recipients[LISTED_MAX];
};

static const struct row rows[] = {
	{ BYTES_INIT("F\0\0"), QMAIL_QUEUE_OK, "", { NULL } },
	{ BYTES_INIT("Fa@b\0\0"), QMAIL_QUEUE_OK, "a@b", { NULL } },
	{ BYTES_INIT("Fa@b\0Tc@d\0\0"), QMAIL_QUEUE_OK, "a@b", { "c@d" } },
	{ BYTES_INIT("F\0Tc@d\0T\0Te\0\0"), QMAIL_QUEUE_OK, "", { "c@d", "", "e" } },
	{ BYTES_INIT("F#@[]\0Tc\0\0"), QMAIL_QUEUE_OK, "#@[]", { "c" } },
	{ BYTES_INIT("FT\0TF\0TT\0\0"), QMAIL_QUEUE_OK, "T", { "F", "T" } },
	{ BYTES_INIT("Fa\n b\xff\0T\"\\\r\0\0"), QMAIL_QUEUE_OK, "a\n b\xff",
	    { "\"\\\r" } },
	/* what stands behind it is not looked at */
	{ BYTES_INIT("Fa\0Tb\0\0Tc\0"), QMAIL_QUEUE_OK, "a", { "b" } },
	{ BYTES_INIT("Fa\0Tb\0\0\0\0"), QMAIL_QUEUE_OK, "a", { "b" } },
	{ BYTES_INIT("Fa\0\0X"), QMAIL_QUEUE_OK, "a", { NULL } },
	/* the caller has given up */
	{ BYTES_INIT(""), QMAIL_QUEUE_READ_ERROR, NULL, { NULL } },
	{ BYTES_INIT("F"), QMAIL_QUEUE_READ_ERROR, NULL, { NULL } },
	{ BYTES_INIT("Fa"), QMAIL_QUEUE_READ_ERROR, NULL, { NULL } },
	{ BYTES_INIT("Fa\0"), QMAIL_QUEUE_READ_ERROR, NULL, { NULL } },
	{ BYTES_INIT("Fa\0T"), QMAIL_QUEUE_READ_ERROR, NULL, { NULL } },
	{ BYTES_INIT("Fa\0Tb"), QMAIL_QUEUE_READ_ERROR, NULL, { NULL } },
	{ BYTES_INIT("Fa\0Tb\0"), QMAIL_QUEUE_READ_ERROR, NULL, { NULL } },
	/* another form */
	{ BYTES_INIT("\0"), QMAIL_QUEUE_BAD_ENVELOPE, NULL, { NULL } },
	{ BYTES_INIT("\0\0"), QMAIL_QUEUE_BAD_ENVELOPE, NULL, { NULL } },
	{ BYTES_INIT("Ta\0\0"), QMAIL_QUEUE_BAD_ENVELOPE, NULL, { NULL } },
	{ BYTES_INIT("fa\0\0"), QMAIL_QUEUE_BAD_ENVELOPE, NULL, { NULL } },
	{ BYTES_INIT("Fa\0Fb\0\0"), QMAIL_QUEUE_BAD_ENVELOPE, NULL, { NULL } },
	{ BYTES_INIT("Fa\0tb\0\0"), QMAIL_QUEUE_BAD_ENVELOPE, NULL, { NULL } },
	{ BYTES_INIT("Fa\0Tb\0\n"), QMAIL_QUEUE_BAD_ENVELOPE, NULL, { NULL } },
};

enum { N_ROWS = sizeof rows / sizeof rows[0] };

/* As a driver does it: until it wants no more. Cut behind so many bytes, and byte by byte from there. */
static void
read_cut(struct qmail_envelope *e, struct bytes text, size_t cut)
{
	bool wants = true;

	qmail_envelope_init(e);
	if (cut > 0)
		wants = qmail_envelope_feed(e, bytes_first(text, cut));
	for (size_t i = cut; i < text.n && wants; i++)
		wants = qmail_envelope_feed(e, (struct bytes){ text.p + i, 1 });
}

static void
check_row(const struct row *row, const struct qmail_envelope *e)
{
	struct bytes recipient;
	size_t       at = 0, n = 0;

	assert_int_equal(qmail_envelope_end(e), row->code);
	if (row->code != QMAIL_QUEUE_OK)
		return;
	assert_true(bytes_equal(
	    qmail_envelope_reverse_path(e), bytes_of(row->reverse_path)));
	while (qmail_envelope_next(e, &at, &recipient)) {
		assert_non_null(row->recipients[n]);
		assert_true(bytes_equal(recipient, bytes_of(row->recipients[n])));
		n++;
	}
	assert_null(row->recipients[n]);
	assert_int_equal(qmail_envelope_count(e), n);
}

static void
test_rows(void **state)
{
	struct qmail_envelope e;

	(void)state;
	for (size_t i = 0; i < N_ROWS; i++)
		for (size_t cut = 0; cut <= rows[i].text.n; cut++) {
			read_cut(&e, rows[i].text, cut);
			check_row(&rows[i], &e);
			qmail_envelope_finish(&e);
		}
}

/* Whether it is done is known with the byte that makes it so, and stays. */
static void
test_wants_no_more(void **state)
{
	struct qmail_envelope e;

	(void)state;
	qmail_envelope_init(&e);
	assert_true(qmail_envelope_feed(&e, BYTES("F\0Tb\0")));
	assert_true(qmail_envelope_feed(&e, BYTES("")));
	assert_false(qmail_envelope_feed(&e, BYTES("\0")));
	assert_false(qmail_envelope_feed(&e, BYTES("Tc\0")));
	assert_int_equal(qmail_envelope_end(&e), QMAIL_QUEUE_OK);
	assert_int_equal(qmail_envelope_count(&e), 1);
	qmail_envelope_finish(&e);
	qmail_envelope_init(&e);
	assert_false(qmail_envelope_feed(&e, BYTES("X")));
	assert_false(qmail_envelope_feed(&e, BYTES("F\0\0")));
	assert_int_equal(qmail_envelope_end(&e), QMAIL_QUEUE_BAD_ENVELOPE);
	qmail_envelope_finish(&e);
}

/* A record's letter, n bytes, and then what stands in end. */
static enum qmail_queue_code
code_of_length(struct bytes front, size_t n, struct bytes end, size_t cut)
{
	struct qmail_envelope e;
	enum qmail_queue_code code;
	struct buf            b;

	buf_init(&b, 4096);
	buf_add_bytes(&b, front);
	for (size_t i = 0; i < n; i++)
		buf_add_char(&b, 'a');
	buf_add_bytes(&b, end);
	read_cut(&e, buf_bytes(&b), cut < b.len ? cut : b.len);
	code = qmail_envelope_end(&e);
	qmail_envelope_finish(&e);
	buf_finish(&b);
	return code;
}

/* 1003 bytes with the NUL: of each record by itself. */
static void
test_length(void **state)
{
	static const struct bytes fronts[] = { BYTES_INIT("F"), BYTES_INIT("Fb\0T"),
		BYTES_INIT("Fb\0Tc\0T") };

	(void)state;
	for (size_t i = 0; i < sizeof fronts / sizeof fronts[0]; i++)
		for (size_t cut = 0; cut <= 1100; cut += 11) {
			assert_int_equal(code_of_length(fronts[i], 1002,
			    BYTES("\0\0"), cut), QMAIL_QUEUE_OK);
			assert_int_equal(code_of_length(fronts[i], 1003,
			    BYTES("\0\0"), cut), QMAIL_QUEUE_ADDRESS_TOO_LONG);
			/* known before its NUL has come */
			assert_int_equal(code_of_length(fronts[i], 1002,
			    BYTES(""), cut), QMAIL_QUEUE_READ_ERROR);
			assert_int_equal(code_of_length(fronts[i], 1003,
			    BYTES(""), cut), QMAIL_QUEUE_ADDRESS_TOO_LONG);
		}
}

/* More than it may have is as if there were no memory. */
static void
test_maximum(void **state)
{
	static char           record[1003];
	struct qmail_envelope e;
	size_t                n = 0;

	(void)state;
	memset(record, 'T', sizeof record - 1);
	qmail_envelope_init(&e);
	assert_true(qmail_envelope_feed(&e, BYTES("F\0")));
	while (qmail_envelope_feed(&e, (struct bytes){ record, sizeof record }))
		n++;
	assert_int_equal(qmail_envelope_end(&e), QMAIL_QUEUE_NO_MEMORY);
	assert_int_equal(n, (QMAIL_QUEUE_ENVELOPE_MAX - 2) / sizeof record);
	qmail_envelope_finish(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_wants_no_more),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
