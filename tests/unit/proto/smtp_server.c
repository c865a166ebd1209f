/* What no transcript can show: the driver's side, time, memory, trouble. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/smtp_server.h"

static const struct id id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9 } };
static const uint64_t  now_ms = 1795563038000; /* 2026-11-24 23:30:38 */

static const struct smtp_policy policy = {
	.hostname = BYTES_INIT("mx.example"),
	.listener = BYTES_INIT("smtp"),
	.size_max = 1000,
	.recipients_max = 10,
	.errors_max = 20,
	.hops_max = 100,
	.bounce_single_recipient = true,
	.refuse_relay_probes = true,
};

static void
begin(struct smtp_server *s)
{
	smtp_server_init(
	    s, &policy, BYTES("192.0.2.1"), BYTES("client.example"), false);
	smtp_server_greet(s);
}

/* Feed, run until something is to be done, forget the output. */
static enum smtp_event
feed(struct smtp_server *s, const char *input)
{
	enum smtp_event event;

	smtp_server_sent(s, smtp_server_output(s).n);
	smtp_server_feed(s, bytes_of(input));
	event = smtp_server_next(s);
	return event;
}

static void
expect_output(struct smtp_server *s, const char *output)
{
	struct bytes got = smtp_server_output(s);

	if (!bytes_equal(got, bytes_of(output)))
		fail_msg("expected: %sgot: %.*s", output, BYTES_ARG(got));
	smtp_server_sent(s, got.n);
}

/* Up to the question that RCPT asks. */
static void
begin_recipient(struct smtp_server *s)
{
	begin(s);
	assert_int_equal(feed(s, "EHLO client.example\r\nMAIL FROM:<a@b.example>\r\n"),
	    SMTP_MORE);
	assert_int_equal(
	    feed(s, "RCPT TO:<Alice@MX.example>\r\n"), SMTP_ASK_RECIPIENT);
}

/* Up to the question that DATA asks. */
static void
begin_data(struct smtp_server *s)
{
	begin_recipient(s);
	smtp_server_answer_recipient(s, SMTP_RECIPIENT_OK);
	assert_int_equal(feed(s, "DATA\r\n"), SMTP_ASK_DATA);
}

/* In the data, the Received field taken. */
static void
begin_body(struct smtp_server *s)
{
	begin_data(s);
	smtp_server_answer_data(s, &id, now_ms);
	assert_int_equal(smtp_server_next(s), SMTP_BODY);
	assert_int_equal(smtp_server_next(s), SMTP_MORE);
	smtp_server_sent(s, smtp_server_output(s).n);
}

static void
begin_commit(struct smtp_server *s)
{
	begin_body(s);
	assert_int_equal(feed(s, "Subject: one\r\n.\r\n"), SMTP_BODY);
	assert_int_equal(smtp_server_next(s), SMTP_COMMIT);
}

/* XQUEUE has a bound of its own, and memory for as many. */
static void
test_queue_recipients(void **state)
{
	struct smtp_policy local = policy;
	struct smtp_server s;
	char               line[64];

	(void)state;
	local.is_local = true;
	smtp_server_init(&s, &local, BYTES("local"), BYTES(""), true);
	smtp_server_account(&s, BYTES("alice"), 1000);
	smtp_server_greet(&s);
	feed(&s, "EHLO localhost\r\nMAIL FROM:<> XQUEUE\r\n");
	smtp_server_sent(&s, smtp_server_output(&s).n);
	for (int i = 0; i < SMTP_QUEUE_RECIPIENTS_MAX; i++) {
		snprintf(line, sizeof line, "RCPT TO:<user-%d@mx.example>\r\n", i);
		assert_int_equal(feed(&s, line), SMTP_MORE);
		expect_output(&s, "250 2.1.5 ok\r\n");
	}
	assert_int_equal(feed(&s, "RCPT TO:<more@mx.example>\r\n"), SMTP_MORE);
	expect_output(&s, "452 4.5.3 too many recipients\r\n");
	assert_int_equal(smtp_server_envelope(&s)->n_recipients,
	    SMTP_QUEUE_RECIPIENTS_MAX);
	smtp_server_finish(&s);
}

/* What rules say counts before the greeting, and is copied. */
static void
test_grant(void **state)
{
	struct smtp_server s;
	char               suffix[] = "@fix.example";

	(void)state;
	smtp_server_init(&s, &policy, BYTES("192.0.2.1"), BYTES(""), true);
	smtp_server_grant(&s, bytes_of(suffix), UINT64_MAX);
	memset(suffix, 'x', sizeof suffix - 1);
	smtp_server_greet(&s);
	smtp_server_grant(&s, BYTES("@late.example"), 1);
	feed(&s, "EHLO client.example\r\n");
	expect_output(&s,
	    "250-mx.example\r\n250-PIPELINING\r\n"
	    "250-SIZE 0\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-DSN\r\n"
	    "250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n");
	feed(&s, "MAIL FROM:<a@b.example> SIZE=18446744073709551615\r\n");
	expect_output(&s, "250 2.1.0 ok\r\n");
	assert_int_equal(feed(&s, "RCPT TO:<Joe@c.example>\r\n"), SMTP_ASK_RECIPIENT);
	assert_true(bytes_equal(smtp_server_recipient(&s),
	    BYTES("\"joe@c.example\"@fix.example")));
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_NOT_OURS);
	expect_output(&s, "250 2.1.5 ok\r\n");
	assert_true(bytes_equal(smtp_server_envelope(&s)->recipients[0].original,
	    BYTES("Joe@c.example")));
	smtp_server_finish(&s);
}

static void
test_long_suffix(void **state)
{
	struct smtp_server s;
	char               suffix[SMTP_SUFFIX_MAX + 1];

	(void)state;
	memset(suffix, 'x', sizeof suffix);
	smtp_server_init(&s, &policy, BYTES("192.0.2.1"), BYTES(""), true);
	smtp_server_grant(&s, (struct bytes){ suffix, sizeof suffix }, 1000);
	smtp_server_greet(&s);
	assert_int_equal(feed(&s, ""), SMTP_CLOSE);
	expect_output(&s, "421 4.3.0 out of memory; closing\r\n");
	smtp_server_finish(&s);
}

static void
test_questions(void **state)
{
	struct smtp_server     s;
	const struct envelope *e;

	(void)state;
	begin_recipient(&s);
	assert_true(bytes_equal(
	    smtp_server_recipient(&s), BYTES("alice@mx.example")));
	assert_int_equal(smtp_server_next(&s), SMTP_WAIT);
	assert_int_equal(feed(&s, "DATA\r\n"), SMTP_WAIT);
	/* an answer to another question is nobody's */
	smtp_server_answer_data(&s, &id, now_ms);
	smtp_server_answer_commit(&s, SMTP_REPLY(250, 2, 0, 0, "no"));
	assert_int_equal(smtp_server_next(&s), SMTP_WAIT);
	expect_output(&s, "");
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_OK);
	assert_int_equal(smtp_server_next(&s), SMTP_ASK_DATA);
	expect_output(&s, "250 2.1.5 ok\r\n");
	assert_false(smtp_server_is_in_data(&s));
	assert_true(smtp_server_is_in_transaction(&s));
	smtp_server_answer_data(&s, &id, now_ms);
	assert_true(smtp_server_is_in_data(&s));
	assert_int_equal(smtp_server_next(&s), SMTP_BODY);
	assert_int_equal(feed(&s, "Subject: one\r\n.\r\n"), SMTP_BODY);
	assert_true(bytes_equal(smtp_server_body(&s), BYTES("Subject: one\n")));
	assert_int_equal(smtp_server_next(&s), SMTP_COMMIT);
	assert_false(smtp_server_is_in_data(&s));
	assert_true(smtp_server_is_in_transaction(&s));
	e = smtp_server_envelope(&s);
	assert_true(bytes_equal(e->reverse_path, BYTES("a@b.example")));
	assert_true(bytes_equal(e->helo, BYTES("client.example")));
	assert_true(bytes_equal(e->listener, BYTES("smtp")));
	assert_true(bytes_equal(e->peer_address, BYTES("192.0.2.1")));
	assert_true(bytes_equal(e->peer_name, BYTES("client.example")));
	assert_true(id_equal(&e->id, &id));
	assert_true(e->esmtp && e->arrival_ms == now_ms);
	assert_int_equal(e->n_recipients, 1);
	assert_true(bytes_equal(
	    e->recipients[0].original, BYTES("Alice@MX.example")));
	smtp_server_answer_commit(&s, SMTP_REPLY(250, 2, 0, 0, "ok"));
	assert_int_equal(smtp_server_next(&s), SMTP_MORE);
	assert_false(smtp_server_is_in_transaction(&s));
	smtp_server_finish(&s);
}

static void
test_recipient_answers(void **state)
{
	static const struct {
		enum smtp_recipient_answer answer;
		const char                *reply;
	} rows[] = {
		{ SMTP_RECIPIENT_OK, "250 2.1.5 ok\r\n" },
		{ SMTP_RECIPIENT_UNKNOWN, "550 5.1.1 <Alice@MX.example>: "
		    "nobody of that name here\r\n" },
		{ SMTP_RECIPIENT_NOT_OURS, "550 5.7.1 <Alice@MX.example>: "
		    "not a domain of this server, relaying denied\r\n" },
		{ SMTP_RECIPIENT_TRY_LATER, "451 4.3.0 <Alice@MX.example>: "
		    "cannot be looked up now, try again later\r\n" },
		{ SMTP_RECIPIENT_BAD_SENDER, "553 5.7.1 <Alice@MX.example>: "
		    "your envelope sender is in my badmailfrom list\r\n" },
	};
	struct smtp_server s;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin_recipient(&s);
		smtp_server_answer_recipient(&s, rows[i].answer);
		expect_output(&s, rows[i].reply);
		smtp_server_finish(&s);
	}
}

/* Who may relay is refused for his reverse-path all the same. */
static void
test_bad_sender_inside(void **state)
{
	struct smtp_server s;

	(void)state;
	smtp_server_init(&s, &policy, BYTES("192.0.2.1"), BYTES(""), true);
	smtp_server_greet(&s);
	feed(&s, "EHLO client.example\r\nMAIL FROM:<a@b.example>\r\n");
	assert_int_equal(
	    feed(&s, "RCPT TO:<alice@mx.example>\r\n"), SMTP_ASK_RECIPIENT);
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_BAD_SENDER);
	expect_output(&s, "553 5.7.1 <alice@mx.example>: "
	    "your envelope sender is in my badmailfrom list\r\n");
	smtp_server_finish(&s);
}

static void
begin_local(struct smtp_server *s, const struct smtp_policy *local)
{
	smtp_server_init(s, local, BYTES("local"), BYTES(""), true);
	smtp_server_account(s, BYTES("alice"), 1000);
	smtp_server_greet(s);
	feed(s, "EHLO localhost\r\n");
	smtp_server_sent(s, smtp_server_output(s).n);
}

/* A program of this host asks; no answer is an error of his, or ends his session. */
static void
test_verify(void **state)
{
	static const struct {
		enum smtp_recipient_answer answer;
		const char                *reply;
	} rows[] = {
		{ SMTP_RECIPIENT_OK, "250 2.1.5 <bob@mx.example>\r\n" },
		{ SMTP_RECIPIENT_UNKNOWN, "550 5.1.1 nobody of that name here\r\n" },
		{ SMTP_RECIPIENT_NOT_OURS,
		    "551 5.1.6 not a domain of this server\r\n" },
		{ SMTP_RECIPIENT_TRY_LATER,
		    "451 4.3.0 cannot be looked up now, try again later\r\n" },
		{ SMTP_RECIPIENT_LIMIT,
		    "451 4.3.0 cannot be looked up now, try again later\r\n" },
	};
	struct smtp_policy local = policy;
	struct smtp_server s;

	(void)state;
	local.is_local = true;
	begin_local(&s, &local);
	for (size_t i = 0; i < 100; i++) {
		size_t row = i % (sizeof rows / sizeof rows[0]);

		assert_int_equal(
		    feed(&s, "VRFY <Bob@MX.example>\r\n"), SMTP_ASK_RECIPIENT);
		assert_true(bytes_equal(
		    smtp_server_recipient(&s), BYTES("bob@mx.example")));
		assert_int_equal(smtp_server_next(&s), SMTP_WAIT);
		smtp_server_answer_recipient(&s, rows[row].answer);
		assert_int_equal(smtp_server_next(&s), SMTP_MORE);
		expect_output(&s, rows[row].reply);
	}
	assert_int_equal(s.errors, 0);
	smtp_server_finish(&s);
}

/* In between, the transaction and its recipients stay as they are. */
static void
test_verify_in_transaction(void **state)
{
	struct smtp_policy     local = policy;
	const struct envelope *e;
	struct smtp_server     s;

	(void)state;
	local.is_local = true;
	begin_local(&s, &local);
	feed(&s, "MAIL FROM:<a@b.example>\r\nRCPT TO:<one@mx.example>\r\n");
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_OK);
	feed(&s, "VRFY <two@mx.example>\r\n");
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_OK);
	assert_int_equal(
	    feed(&s, "RCPT TO:<three@mx.example>\r\n"), SMTP_ASK_RECIPIENT);
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_OK);
	e = smtp_server_envelope(&s);
	assert_int_equal(e->n_recipients, 2);
	assert_true(bytes_equal(
	    e->recipients[1].address, BYTES("three@mx.example")));
	smtp_server_finish(&s);
}

/* Where who takes the mail has no place for it. */
static void
test_no_dsn(void **state)
{
	struct smtp_policy plain = policy;
	struct smtp_server s;

	(void)state;
	plain.has_no_dsn = true;
	plain.greeting = BYTES("mx.example no spam");
	smtp_server_init(&s, &plain, BYTES("192.0.2.1"), BYTES(""), true);
	smtp_server_greet(&s);
	expect_output(&s, "220 mx.example no spam ESMTP\r\n");
	feed(&s, "EHLO client.example\r\n");
	expect_output(&s, "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n"
	    "250-8BITMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n"
	    "250 ENHANCEDSTATUSCODES\r\n");
	feed(&s, "MAIL FROM:<> RET=HDRS\r\nMAIL FROM:<> ENVID=x\r\n"
	    "MAIL FROM:<> SIZE=1\r\nRCPT TO:<a@b.example> NOTIFY=NEVER\r\n"
	    "RCPT TO:<a@b.example> ORCPT=rfc822;a@b.example\r\n");
	expect_output(&s, "555 5.5.4 parameter not recognized\r\n"
	    "555 5.5.4 parameter not recognized\r\n250 2.1.0 ok\r\n"
	    "555 5.5.4 parameter not recognized\r\n"
	    "555 5.5.4 parameter not recognized\r\n");
	smtp_server_finish(&s);
}

/* What a peer of ours answers is no text that the client must be shown as it is. */
static void
test_commit_replies(void **state)
{
	static const struct {
		struct smtp_reply reply;
		const char       *line;
	} rows[] = {
		{ { 250, { 2, 0, 0 }, BYTES_INIT("accepted") },
		    "250 2.0.0 accepted\r\n" },
		{ { 554, { 5, 7, 1 }, BYTES_INIT("two\r\n250 lines\x80") },
		    "554 5.7.1 two 250 lines?\r\n" },
		{ { 451, { 0, 0, 0 }, BYTES_INIT("later") }, "451 later\r\n" },
		{ { 554, { 2, 0, 0 }, BYTES_INIT("odd") }, "554 odd\r\n" },
		{ { 99, { 2, 0, 0 }, BYTES_INIT("odd") }, "451 odd\r\n" },
		{ { 0, { 0, 0, 0 }, { NULL, 0 } }, "451 \r\n" },
	};
	struct smtp_server s;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin_commit(&s);
		smtp_server_answer_commit(&s, rows[i].reply);
		assert_int_equal(smtp_server_next(&s), SMTP_MORE);
		expect_output(&s, rows[i].line);
		smtp_server_finish(&s);
	}
}

static void
test_reply_length(void **state)
{
	struct smtp_server s;
	char               text[2000];

	(void)state;
	memset(text, 'x', sizeof text);
	begin_commit(&s);
	smtp_server_answer_commit(&s, (struct smtp_reply){
	    554, STATUS(5, 999, 999), { text, sizeof text } });
	assert_true(smtp_server_output(&s).n <= SMTP_REPLY_MAX);
	assert_true(smtp_server_output(&s).n > SMTP_REPLY_MAX - 10);
	smtp_server_finish(&s);
}

static void
test_received(void **state)
{
	static const struct {
		const char  *helo;
		struct bytes address, name;
		const char  *rcpt;
		const char  *received;
	} rows[] = {
		{ "EHLO client.example\r\n", BYTES_INIT("192.0.2.1"),
		    BYTES_INIT("client.example"), "RCPT TO:<Alice@mx.example>\r\n",
		    "Received: from client.example (client.example [192.0.2.1])\n"
		    "\tby mx.example with ESMTP id 01081g81860s40i00000000000\n"
		    "\tfor <Alice@mx.example>; Tue, 24 Nov 2026 23:30:38 +0000\n" },
		{ "HELO (evil) <x>; y\r\n", BYTES_INIT("2001:db8::1"), { "", 0 },
		    "RCPT TO:<a@mx.example>\r\nRCPT TO:<b@mx.example>\r\n",
		    "Received: from ?evil???x???y ([IPv6:2001:db8::1])\n"
		    "\tby mx.example with SMTP id 01081g81860s40i00000000000; "
		    "Tue, 24 Nov 2026 23:30:38 +0000\n" },
	};
	struct smtp_server s;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		smtp_server_init(
		    &s, &policy, rows[i].address, rows[i].name, false);
		smtp_server_greet(&s);
		feed(&s, rows[i].helo);
		feed(&s, "MAIL FROM:<>\r\nRSET\r\nMAIL FROM:<a@b.example>\r\n");
		smtp_server_feed(&s, bytes_of(rows[i].rcpt));
		while (smtp_server_next(&s) == SMTP_ASK_RECIPIENT)
			smtp_server_answer_recipient(&s, SMTP_RECIPIENT_OK);
		assert_int_equal(feed(&s, "DATA\r\n"), SMTP_ASK_DATA);
		smtp_server_answer_data(&s, &id, now_ms);
		assert_int_equal(smtp_server_next(&s), SMTP_BODY);
		if (!bytes_equal(smtp_server_body(&s), bytes_of(rows[i].received)))
			fail_msg("row %zu: %.*s", i,
			    BYTES_ARG(smtp_server_body(&s)));
		smtp_server_finish(&s);
	}
}

static void
test_no_file(void **state)
{
	struct smtp_server s;

	(void)state;
	begin_data(&s);
	smtp_server_answer_data(&s, NULL, 0);
	assert_int_equal(smtp_server_next(&s), SMTP_MORE);
	expect_output(&s, "451 4.3.0 try again later\r\n");
	assert_false(smtp_server_is_in_data(&s));
	smtp_server_finish(&s);
}

static void
test_body_failed(void **state)
{
	struct smtp_server s;

	(void)state;
	begin_body(&s);
	assert_int_equal(feed(&s, "Subject: one\r\n\r\n"), SMTP_BODY);
	smtp_server_body_failed(&s);
	assert_int_equal(feed(&s, "more\r\n"), SMTP_MORE);
	assert_int_equal(feed(&s, ".\r\nQUIT\r\n"), SMTP_DISCARD);
	assert_int_equal(smtp_server_next(&s), SMTP_CLOSE);
	expect_output(&s,
	    "452 4.3.1 no space for the message, try again later\r\n"
	    "221 2.0.0 bye\r\n");
	smtp_server_finish(&s);
}

/* Every way in which a session ends from outside, at every stage of it. */
enum stage { GREETED, RECIPIENT, DATA, BODY, COMMIT, STAGES };

static void
begin_stage(struct smtp_server *s, enum stage stage)
{
	static void (*const to[STAGES])(struct smtp_server *) = {
		[GREETED] = begin,
		[RECIPIENT] = begin_recipient,
		[DATA] = begin_data,
		[BODY] = begin_body,
		[COMMIT] = begin_commit,
	};

	to[stage](s);
	smtp_server_sent(s, smtp_server_output(s).n);
}

static void
expect_end(struct smtp_server *s, enum stage stage, const char *output)
{
	if (stage >= BODY)
		assert_int_equal(smtp_server_next(s), SMTP_DISCARD);
	assert_int_equal(smtp_server_next(s), SMTP_CLOSE);
	assert_int_equal(smtp_server_next(s), SMTP_CLOSE);
	expect_output(s, output);
	/* what comes now comes too late */
	smtp_server_answer_recipient(s, SMTP_RECIPIENT_OK);
	smtp_server_answer_data(s, &id, now_ms);
	smtp_server_answer_commit(s, SMTP_REPLY(250, 2, 0, 0, "no"));
	smtp_server_feed(s, BYTES("NOOP\r\n"));
	assert_int_equal(smtp_server_next(s), SMTP_CLOSE);
	expect_output(s, "");
	smtp_server_finish(s);
}

static void
test_ends(void **state)
{
	struct smtp_server s;

	(void)state;
	for (int stage = GREETED; stage < STAGES; stage++) {
		begin_stage(&s, (enum stage)stage);
		smtp_server_timeout(&s);
		smtp_server_timeout(&s);
		expect_end(&s, (enum stage)stage,
		    "421 4.4.2 you took too long; closing\r\n");
		begin_stage(&s, (enum stage)stage);
		smtp_server_gone(&s);
		expect_end(&s, (enum stage)stage, "");
	}
}

static void
test_shutdown(void **state)
{
	struct smtp_server s;

	(void)state;
	begin_stage(&s, GREETED);
	smtp_server_shutdown(&s);
	expect_end(&s, GREETED,
	    "421 4.3.2 the service stops; come back later\r\n");

	begin_stage(&s, RECIPIENT);
	smtp_server_shutdown(&s);
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_OK);
	assert_int_equal(feed(&s, "DATA\r\n"), SMTP_ASK_DATA);
	smtp_server_answer_data(&s, &id, now_ms);
	assert_int_equal(smtp_server_next(&s), SMTP_BODY);
	assert_int_equal(feed(&s, ".\r\nMAIL FROM:<>\r\n"), SMTP_COMMIT);
	smtp_server_answer_commit(&s, SMTP_REPLY(250, 2, 0, 0, "stored"));
	assert_int_equal(smtp_server_next(&s), SMTP_CLOSE);
	expect_output(&s, "250 2.0.0 stored\r\n"
	    "421 4.3.2 the service stops; come back later\r\n");
	smtp_server_finish(&s);
}

static void
test_refuse(void **state)
{
	struct smtp_server s;

	(void)state;
	smtp_server_init(&s, &policy, BYTES("192.0.2.1"), BYTES(""), false);
	smtp_server_feed(&s, BYTES("EHLO early\r\n"));
	assert_int_equal(smtp_server_next(&s), SMTP_WAIT);
	smtp_server_refuse(&s, SMTP_REPLY(554, 5, 7, 1, "not you"));
	assert_int_equal(smtp_server_next(&s), SMTP_CLOSE);
	expect_output(&s, "554 5.7.1 not you\r\n");
	smtp_server_finish(&s);
}

static void
test_room(void **state)
{
	static char        input[SMTP_INPUT_MAX + 1];
	struct smtp_server s;

	(void)state;
	memset(input, 'x', sizeof input);
	begin_recipient(&s);
	assert_int_equal(smtp_server_room(&s), SMTP_INPUT_MAX);
	smtp_server_feed(&s, (struct bytes){ input, SMTP_INPUT_MAX });
	assert_int_equal(smtp_server_room(&s), 0);
	assert_int_equal(smtp_server_next(&s), SMTP_WAIT);
	smtp_server_sent(&s, smtp_server_output(&s).n);
	smtp_server_feed(&s, BYTES("x"));
	assert_int_equal(smtp_server_next(&s), SMTP_CLOSE);
	expect_output(&s, "421 4.3.0 too much input at once; closing\r\n");
	smtp_server_finish(&s);
}

/* A client that only sends cannot make the output grow without end. */
static void
test_flush(void **state)
{
	struct smtp_server s;
	size_t             flushes = 0;

	(void)state;
	begin(&s);
	for (int i = 0; i < 2000; i++)
		smtp_server_feed(&s, BYTES("EHLO client.example\r\n"));
	while (smtp_server_next(&s) == SMTP_FLUSH) {
		assert_true(smtp_server_output(&s).n <
		    SMTP_OUTPUT_HIGH + SMTP_REPLY_MAX);
		smtp_server_sent(&s, smtp_server_output(&s).n);
		flushes++;
	}
	assert_true(flushes > 10);
	smtp_server_finish(&s);
}

/* An idle session holds the name of its client and nothing else. */
static void
test_idle_memory(void **state)
{
	struct smtp_server s;

	(void)state;
	begin_commit(&s);
	smtp_server_answer_commit(&s, SMTP_REPLY(250, 2, 0, 0, "ok"));
	assert_int_equal(smtp_server_next(&s), SMTP_MORE);
	smtp_server_sent(&s, smtp_server_output(&s).n);
	assert_null(s.in.p);
	assert_null(s.out.p);
	assert_null(s.body.p);
	assert_null(s.decoded.p);
	assert_null(s.recipient.p);
	assert_null(s.original.p);
	assert_null(s.transaction.arena.blocks);
	assert_true(sizeof s + s.helo.cap < 1500);
	smtp_server_finish(&s);
}

/* What was told to the watcher, one line each. */
static void
note_refusal(const struct smtp_refusal *r, void *context)
{
	struct buf *told = context;

	buf_addf(told, "%u %.*s from=%.*s rcpt=%.*s%s\n", r->reply.code,
	    BYTES_ARG(r->reply.text),
	    BYTES_ARG(r->envelope ? r->envelope->reverse_path : BYTES("-")),
	    BYTES_ARG(r->recipient), r->closes ? " closes" : "");
}

static void
test_watch(void **state)
{
	struct smtp_server s;
	struct buf         told;

	(void)state;
	buf_init(&told, 4096);
	begin(&s);
	smtp_server_watch(&s, note_refusal, &told);
	assert_int_equal(feed(&s, "EHLO x\r\nRCPT TO:<a@mx.example>\r\n"), SMTP_MORE);
	assert_int_equal(feed(&s,
	    "MAIL FROM:<a@b.example>\r\nRCPT TO:<Al@mx.example>\r\n"),
	    SMTP_ASK_RECIPIENT);
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_UNKNOWN);
	assert_int_equal(feed(&s, "RCPT TO:<b@mx.example>\r\n"),
	    SMTP_ASK_RECIPIENT);
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_OK);
	assert_int_equal(feed(&s, "DATA\r\n"), SMTP_ASK_DATA);
	smtp_server_answer_data(&s, &id, now_ms);
	assert_int_equal(smtp_server_next(&s), SMTP_BODY);
	assert_int_equal(feed(&s, ".\r\n"), SMTP_COMMIT);
	smtp_server_answer_commit(&s, SMTP_REPLY(554, 5, 7, 1, "the driver's own"));
	assert_int_equal(smtp_server_next(&s), SMTP_MORE);
	assert_int_equal(s.errors, 3);
	assert_int_equal(feed(&s, "MAIL FROM:<>\r\nNOOP\n"), SMTP_CLOSE);
	assert_true(bytes_equal(buf_bytes(&told), BYTES(
	    "503 MAIL first from=- rcpt=\n"
	    "550 nobody of that name here from=a@b.example rcpt=Al@mx.example\n"
	    "500 a line ends with CR LF; closing from= rcpt= closes\n")));
	buf_finish(&told);
	smtp_server_finish(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue_recipients),
		cmocka_unit_test(test_grant),
		cmocka_unit_test(test_long_suffix),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_recipient_answers),
		cmocka_unit_test(test_bad_sender_inside),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_verify_in_transaction),
		cmocka_unit_test(test_no_dsn),
		cmocka_unit_test(test_commit_replies),
		cmocka_unit_test(test_reply_length),
		cmocka_unit_test(test_received),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_body_failed),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_shutdown),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_idle_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
