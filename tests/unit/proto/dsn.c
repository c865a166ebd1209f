/*
 * Who wants a notification, and what stands in one. That other people's parsers read it as
 * meant, hostile texts included, is in tests/e2e/test_dsn_format.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/dsn.h"

static void
notify_says_what_is_wanted(void **state)
{
	static const struct {
		uint8_t     notify;
		const char *wanted; /* by the number of the action */
	} rows[] = {
		{ NOTIFY_UNSET, "yynnn" },
		{ NOTIFY_NEVER, "nnnnn" },
		{ NOTIFY_FAILURE, "ynnnn" },
		{ NOTIFY_DELAY, "nynnn" },
		{ NOTIFY_SUCCESS, "nnyyy" },
		{ NOTIFY_FAILURE | NOTIFY_DELAY, "yynnn" },
		{ NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, "yyyyy" },
		/* not possible, and not harmful */
		{ NOTIFY_NEVER | NOTIFY_FAILURE, "nnnnn" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (int action = DSN_FAILED; action <= DSN_EXPANDED; action++)
			if (dsn_is_wanted(rows[i].notify,
			        (enum dsn_action)action) !=
			    (rows[i].wanted[action] == 'y'))
				fail_msg("notify %u, action %d",
				    rows[i].notify, action);
}

static void
header_says_whether_a_person_waits(void **state)
{
	static const struct {
		const char *header;
		bool        is_unattended;
	} rows[] = {
		{ "", false },
		{ "From: a\nSubject: x\n", false },
		{ "Auto-Submitted: no\n", false },
		{ "auto-submitted: NO (really)\n", false },
		{ "Auto-Submitted: auto-generated\n", true },
		{ "From: a\nAuto-Submitted:\n auto-replied; owner=\"x\"\n", true },
		{ "Auto-Submitted:\n", true },
		{ "Auto-Submitted: no-really\n", true },
		{ "List-Id: <x.example>\n", true },
		{ "List-Identity: x\n", false },
		{ "Precedence: bulk\n", true },
		{ "Precedence: Junk\n", true },
		{ "PRECEDENCE: \tlist \n", true },
		{ "Precedence: first-class\n", false },
		{ "Precedence: bulky\n", false },
		{ "From: a\n\nPrecedence: bulk\n", false },
		{ "no field\nPrecedence: bulk\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (dsn_is_unattended(bytes_of(rows[i].header)) !=
		    rows[i].is_unattended)
			fail_msg("%s", rows[i].header);
}

/* ---- the notification ---- */

#define ORIGINAL "Message-ID: <1@here.example>\nSubject: hi\n\nbody\n"

static struct dsn
dsn_of(const struct dsn_recipient *recipients, size_t n)
{
	struct dsn d = { .now_ms = 1700003600000,
		.hostname = BYTES("mx.example"),
		.to = BYTES("me@here.example"),
		.arrival_ms = 1700000000000,
		.original = BYTES(ORIGINAL),
		.original_size = sizeof ORIGINAL - 1,
		.recipients = recipients,
		.n_recipients = n };

	assert_true(id_parse(BYTES("01k882ki5b4ermp2kj2srltpsb"), &d.id));
	assert_true(
	    id_parse(BYTES("01k882ki5b4ermp2kj2srltpsc"), &d.original_id));
	return d;
}

static void
assert_has(struct buf *b, const char *wanted)
{
	if (strstr(buf_string(b), wanted) == NULL)
		fail_msg("no \"%s\" in:\n%s", wanted, buf_string(b));
}

static void
assert_lacks(struct buf *b, const char *unwanted)
{
	if (strstr(buf_string(b), unwanted) != NULL)
		fail_msg("\"%s\" in:\n%s", unwanted, buf_string(b));
}

/* The sentences that people look for first. */
static void
advice_follows_the_status(void **state)
{
	static const struct {
		struct status status;
		const char   *advice;
	} rows[] = {
		{ { 5, 1, 1 }, "There is no such mailbox." },
		{ { 5, 1, 2 }, "There is no such domain." },
		{ { 5, 1, 10 }, "takes no mail at all" },
		{ { 5, 1, 0 }, "not accepted there" },
		{ { 5, 2, 1 }, "takes no mail now" },
		{ { 4, 2, 2 }, "The mailbox is full." },
		{ { 5, 2, 2 }, "The mailbox is full." },
		{ { 5, 2, 3 }, "too large" },
		{ { 5, 3, 4 }, "too large" },
		{ { 4, 4, 1 }, "could not be reached" },
		{ { 5, 4, 4 }, "No mail server is known" },
		{ { 5, 4, 6 }, "goes in circles" },
		{ { 4, 4, 7 }, "as long as this server keeps" },
		{ { 5, 6, 7 }, "international addresses" },
		{ { 5, 7, 1 }, "by its own rules" },
		{ { 5, 7, 26 }, "by its own rules" },
		{ { 4, 7, 5 }, "protected connection" },
		{ { 4, 3, 0 }, "again and again" },
		{ { 5, 0, 0 }, "Reach the recipient by other means." },
		{ { 0, 0, 0 }, "Reach the recipient by other means." },
	};
	struct buf b;

	(void)state;
	buf_init(&b, DSN_SIZE_MAX);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct dsn_recipient r = { .address = BYTES("a@b.example"),
			.outcome = { .status = rows[i].status } };
		const struct dsn d = dsn_of(&r, 1);

		buf_clear(&b);
		dsn_add(&b, &d);
		assert_false(b.failed);
		assert_has(&b, rows[i].advice);
	}
	buf_finish(&b);
}

static void
a_failure_has_three_parts(void **state)
{
	const struct dsn_recipient r = { .address = BYTES("user@example.net"),
		.orcpt = BYTES("rfc822;alias@example.org"),
		.outcome = { .kind = OUTCOME_FAILED,
		    .status = STATUS(5, 1, 1),
		    .host = BYTES("mx.example.net [192.0.2.1]"),
		    .text = BYTES("550 5.1.1 no such user"),
		    .is_reply = true } };
	struct dsn d = dsn_of(&r, 1);
	struct buf b;

	(void)state;
	d.envid = BYTES("QQ314159");
	buf_init(&b, DSN_SIZE_MAX);
	dsn_add(&b, &d);
	assert_has(&b, "From: Mail Delivery System <MAILER-DAEMON@mx.example>\n");
	assert_has(&b, "\nSubject: Undelivered mail: user@example.net\n");
	assert_has(&b, "\nAuto-Submitted: auto-replied\n");
	assert_has(&b, "\nReferences: <1@here.example>\n");
	assert_has(&b, "log has it under 01k882ki5b4ermp2kj2srltpsc.\n");
	assert_has(&b,
	    "\nOriginal-Envelope-Id: QQ314159\n"
	    "Reporting-MTA: dns; mx.example\n"
	    "Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\n"
	    "\n"
	    "Original-Recipient: rfc822; alias@example.org\n"
	    "Final-Recipient: rfc822; user@example.net\n"
	    "Action: failed\n"
	    "Status: 5.1.1\n"
	    "Remote-MTA: dns; mx.example.net\n"
	    "Diagnostic-Code: smtp; 550 5.1.1 no such user\n");
	assert_has(&b,
	    "Content-Type: message/rfc822\n"
	    "Content-Description: The message it is about\n"
	    "Content-Transfer-Encoding: 7bit\n\n" ORIGINAL
	    "\n--01k882ki5b4ermp2kj2srltpsb--\n");
	buf_finish(&b);
}

static void
a_delay_says_until_when(void **state)
{
	const struct dsn_recipient r = { .action = DSN_DELAYED,
		.address = BYTES("user@example.net"),
		.outcome = { .status = STATUS(4, 4, 1),
		    .text = BYTES("no answer") },
		.will_retry_until_ms = 1700432000000 };
	const struct dsn d = dsn_of(&r, 1);
	struct buf       b;

	(void)state;
	buf_init(&b, DSN_SIZE_MAX);
	dsn_add(&b, &d);
	assert_has(&b, "Subject: Delayed mail (still being tried): user@");
	assert_has(&b, "It will be tried until Sun, 19 Nov 2023 22:13:20 +0000.");
	assert_has(&b, "\nWill-Retry-Until: Sun, 19 Nov 2023 22:13:20 +0000\n");
	assert_has(&b, "text/rfc822-headers");
	assert_lacks(&b, "body");
	assert_lacks(&b, "Diagnostic-Code");
	buf_finish(&b);
}

/* Only the header section of what is larger than what is handed in. */
static void
of_a_large_original_the_header_comes_back(void **state)
{
	const struct dsn_recipient r = { .address = BYTES("user@example.net") };
	struct dsn                 d = dsn_of(&r, 1);
	struct buf                 b;

	(void)state;
	d.ret = RET_FULL;
	d.original_size = DSN_WHOLE_MAX + 1;
	buf_init(&b, DSN_SIZE_MAX);
	dsn_add(&b, &d);
	assert_has(&b, "Subject: hi\n\n--01k882ki5b4ermp2kj2srltpsb--\n");
	/* a field that may go on behind what is there is left out */
	d.original = BYTES("Subject: hi\nX-Cut: some");
	buf_clear(&b);
	dsn_add(&b, &d);
	assert_has(&b, "Subject: hi\n\n--01k882ki5b4ermp2kj2srltpsb--\n");
	buf_finish(&b);
}

static void
the_boundary_is_in_no_part(void **state)
{
	static const char original[] = "Subject: hi\n\n"
				       "--01k882ki5b4ermp2kj2srltpsb\n"
				       "--01k882ki5b4ermp2kj2srltpsb-1--\n"
				       "--01k882ki5b4ermp2kj2srltpsb-20\n";
	const struct dsn_recipient r = { .address = BYTES("user@example.net") };
	struct dsn                 d = dsn_of(&r, 1);
	struct buf                 b;

	(void)state;
	d.original = bytes_of(original);
	d.original_size = d.original.n;
	buf_init(&b, DSN_SIZE_MAX);
	dsn_add(&b, &d);
	/* -2 begins -20 */
	assert_has(&b, "\tboundary=\"01k882ki5b4ermp2kj2srltpsb-3\"\n");
	assert_has(&b, original);
	assert_has(&b, "\n--01k882ki5b4ermp2kj2srltpsb-3--\n");
	buf_finish(&b);
}

/* As large as everything may be. */
static void
the_largest_fits(void **state)
{
	enum { N = DSN_RECIPIENTS_MAX + 20 };
	static struct dsn_recipient recipients[N];
	static char                 words[20000], original[DSN_WHOLE_MAX];
	struct dsn                  d = dsn_of(recipients, N);
	struct buf                  b;

	(void)state;
	for (size_t i = 0; i < sizeof words; i++)
		words[i] = i % 60 ? 'w' : ' ';
	for (size_t i = 0; i < sizeof original; i++)
		original[i] = i % 90 ? 'x' : '\n';
	for (size_t i = 0; i < N; i++)
		recipients[i] = (struct dsn_recipient){
			.address = { words, sizeof words },
			.orcpt = { words + 1, sizeof words - 1 },
			.outcome = { .status = STATUS(5, 999, 999),
			    .host = { words + 1, sizeof words - 1 },
			    .text = { words, sizeof words },
			    .is_reply = true },
			.last_attempt_ms = 1700000000000,
		};
	d.original = (struct bytes){ original, sizeof original };
	d.original_size = sizeof original;
	d.to = d.envid = d.hostname = recipients[0].address;
	buf_init(&b, DSN_SIZE_MAX);
	dsn_add(&b, &d);
	assert_false(b.failed);
	assert_has(&b, "And 20 more recipients.\n");
	assert_true(b.len > sizeof original);
	buf_finish(&b);
	/* and what does not fit is known */
	buf_init(&b, 1000);
	dsn_add(&b, &d);
	assert_true(b.failed);
	buf_finish(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notify_says_what_is_wanted),
		cmocka_unit_test(header_says_whether_a_person_waits),
		cmocka_unit_test(advice_follows_the_status),
		cmocka_unit_test(a_failure_has_three_parts),
		cmocka_unit_test(a_delay_says_until_when),
		cmocka_unit_test(of_a_large_original_the_header_comes_back),
		cmocka_unit_test(the_boundary_is_in_no_part),
		cmocka_unit_test(the_largest_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
