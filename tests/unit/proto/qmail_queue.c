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

/* --- the caller's side --- */

static void
test_written(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	qmail_envelope_add_reverse_path(&b, BYTES(""));
	qmail_envelope_add_recipient(&b, BYTES("alice@mx.example"));
	qmail_envelope_add_recipient(&b, BYTES("postmaster"));
	qmail_envelope_add_recipient(&b, BYTES("\"a b@c\"@mx.example"));
	qmail_envelope_add_recipient(&b, BYTES("\"\\\"\\\\\"@mx.example"));
	qmail_envelope_add_recipient(&b, BYTES("\"\"@mx.example"));
	qmail_envelope_add_recipient(&b, BYTES("\"@mx.example"));
	qmail_envelope_add_end(&b);
	assert_true(bytes_equal(buf_bytes(&b), BYTES("F\0"
	    "Talice@mx.example\0" "Tpostmaster\0" "Ta b@c@mx.example\0"
	    "T\"\\@mx.example\0" "T@mx.example\0" "T\"@mx.example\0" "\0")));
	buf_finish(&b);
}

/* What each code is to the client; the table of qmail.c. */
static const struct {
	int         code;
	const char *text; /* of descriptor 6 */
	const char *line;
} replies[] = {
	{ 11, "", "554 5.1.3 envelope address too long for qq\r\n" },
	{ 12, "", "554 5.3.0 qq permanent problem\r\n" },
	{ 20, "", "554 5.3.0 qq permanent problem\r\n" },
	{ 21, "", "554 5.7.1 message rejected by spam filter\r\n" },
	{ 22, "", "554 5.3.0 qq permanent problem\r\n" },
	{ 31, "", "554 5.3.0 mail server permanently rejected message\r\n" },
	{ 32, "", "554 5.3.0 qq permanent problem\r\n" },
	{ 40, "", "554 5.3.0 qq permanent problem\r\n" },
	{ 115, "", "554 5.1.3 envelope address too long for qq\r\n" },
	{ 1, "", "451 4.3.0 qq temporary problem\r\n" },
	{ 10, "", "451 4.3.0 qq temporary problem\r\n" },
	{ 41, "", "451 4.3.0 qq temporary problem\r\n" },
	{ 51, "", "451 4.3.0 qq out of memory\r\n" },
	{ 52, "", "451 4.3.0 qq timeout\r\n" },
	{ 53, "", "451 4.3.0 qq write error or disk full\r\n" },
	{ 54, "", "451 4.3.0 qq read error\r\n" },
	{ 55, "", "451 4.3.0 qq unable to read configuration\r\n" },
	{ 56, "", "451 4.3.0 qq trouble making network connection\r\n" },
	{ 61, "", "451 4.3.0 qq trouble in home directory\r\n" },
	{ 62, "", "451 4.3.0 qq trouble creating files in queue\r\n" },
	{ 66, "", "451 4.3.0 qq trouble creating files in queue\r\n" },
	{ 67, "", "451 4.3.0 qq temporary problem\r\n" },
	{ 71, "", "451 4.3.0 mail server temporarily rejected message\r\n" },
	{ 72, "", "451 4.4.1 connection to mail server timed out\r\n" },
	{ 73, "", "451 4.4.1 connection to mail server rejected\r\n" },
	{ 74, "", "451 4.4.2 communication with mail server failed\r\n" },
	{ 81, "", "451 4.3.0 qq internal bug\r\n" },
	{ 91, "", "451 4.3.0 qq internal bug\r\n" },
	{ 120, "", "451 4.3.0 unable to exec qq\r\n" },
	{ 255, "", "451 4.3.0 qq temporary problem\r\n" },
	{ QMAIL_QUEUE_CRASHED, "", "451 4.3.0 qq crashed\r\n" },
	{ QMAIL_QUEUE_LOST, "", "451 4.3.0 qq waitpid surprise\r\n" },
	/* said by the program */
	{ 82, "D5.7.1 no spam here", "554 5.7.1 no spam here\r\n" },
	{ 82, "Z4.2.2 mailbox full", "451 4.2.2 mailbox full\r\n" },
	{ 82, "Dno spam (#5.7.1)", "554 5.7.1 no spam\r\n" },
	{ 82, "Dno status", "554 5.3.0 no status\r\n" },
	{ 82, "Zno status", "451 4.3.0 no status\r\n" },
	{ 82, "D a (b) #5.7.1", "554 5.3.0 a (b) #5.7.1\r\n" },
	{ 82, "Dtwo\r\n250 lines\x80", "554 5.3.0 two 250 lines?\r\n" },
	/* the class is the letter's */
	{ 82, "D4.2.2 spam", "554 5.3.0 spam\r\n" },
	{ 82, "Dspam (#4.2.2)", "554 5.3.0 spam\r\n" },
	{ 82, "Z2.0.0 ok", "451 4.3.0 ok\r\n" },
	/* is no text */
	{ 82, "", "451 4.3.0 qq temporary problem\r\n" },
	{ 82, "D", "451 4.3.0 qq temporary problem\r\n" },
	{ 82, "Dx", "451 4.3.0 qq temporary problem\r\n" },
	{ 82, "K ok", "451 4.3.0 qq temporary problem\r\n" },
	{ 82, "D5.7.1 ", "451 4.3.0 qq temporary problem\r\n" },
	{ 82, "D(#5.7.1)", "451 4.3.0 qq temporary problem\r\n" },
	/* said, and not asked for */
	{ 31, "D5.7.1 no spam here",
	    "554 5.3.0 mail server permanently rejected message\r\n" },
};

static void
test_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
		struct smtp_reply reply = qmail_queue_reply(
		    replies[i].code, bytes_of(replies[i].text));
		struct buf        line;

		buf_init(&line, SMTP_REPLY_MAX);
		smtp_reply_add(&line, &reply);
		if (!bytes_equal(buf_bytes(&line), bytes_of(replies[i].line)))
			fail_msg("%d \"%s\": %.*s", replies[i].code,
			    replies[i].text, BYTES_ARG(buf_bytes(&line)));
		buf_finish(&line);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_wants_no_more),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_maximum),
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
