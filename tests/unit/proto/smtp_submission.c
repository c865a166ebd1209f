/* TLS and AUTH as the driver sees them: what no transcript can show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/smtp_server.h"

#define TLS    "TLSv1.3 TLS_AES_256_GCM_SHA384"
#define PLAIN  "AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\r\n"

static const struct id id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9 } };
static const uint64_t  now_ms = 1795563038000; /* 2026-11-24 23:30:38 */

#define POLICY(name, tls_, auth_) { \
	.hostname = BYTES_INIT("mx.example"), \
	.listener = BYTES_INIT(name), \
	.size_max = 1000, \
	.recipients_max = 10, \
	.errors_max = 20, \
	.hops_max = 100, \
	.tls = (tls_), \
	.auth = (auth_), \
}

static const struct smtp_policy smtp = POLICY("smtp", LISTENER_STARTTLS, false);
static const struct smtp_policy smtps = POLICY("smtps", LISTENER_TLS, true);
static const struct smtp_policy submission =
    POLICY("submission", LISTENER_STARTTLS_REQUIRED, true);

static const struct smtp_policy local = {
	.hostname = BYTES_INIT("mx.example"),
	.listener = BYTES_INIT("local"),
	.size_max = 1000,
	.recipients_max = 10,
	.errors_max = 20,
	.hops_max = 100,
	.tls = LISTENER_CLEAR,
	.is_local = true,
};

static void
begin(struct smtp_server *s, const struct smtp_policy *policy)
{
	smtp_server_init(
	    s, policy, BYTES("192.0.2.1"), BYTES("client.example"), false);
	if (policy->tls == LISTENER_TLS)
		smtp_server_secured(s, BYTES(TLS));
	if (policy->is_local)
		smtp_server_account(s, BYTES("www-data"), 33);
	smtp_server_greet(s);
}

/* Feed, run until something is to be done, forget the output before it. */
static enum smtp_event
feed(struct smtp_server *s, const char *input)
{
	smtp_server_sent(s, smtp_server_output(s).n);
	smtp_server_feed(s, bytes_of(input));
	return smtp_server_next(s);
}

static void
expect_output(struct smtp_server *s, const char *output)
{
	struct bytes got = smtp_server_output(s);

	if (!bytes_equal(got, bytes_of(output)))
		fail_msg("expected: %sgot: %.*s", output, BYTES_ARG(got));
	smtp_server_sent(s, got.n);
}

static void
begin_handshake(struct smtp_server *s)
{
	begin(s, &submission);
	assert_int_equal(feed(s, "EHLO client.example\r\n"), SMTP_MORE);
	assert_int_equal(feed(s, "STARTTLS\r\n"), SMTP_HANDSHAKE);
	expect_output(s, "220 2.0.0 begin TLS\r\n");
	assert_int_equal(smtp_server_next(s), SMTP_WAIT);
}

/* In an exchange, the next line is a response. */
static void
begin_exchange(struct smtp_server *s)
{
	begin(s, &smtps);
	assert_int_equal(feed(s, "EHLO client.example\r\n"), SMTP_MORE);
	assert_int_equal(feed(s, "AUTH LOGIN YWxpY2U=\r\n"), SMTP_MORE);
	expect_output(s, "334 UGFzc3dvcmQ6\r\n");
}

/* The question is open. */
static void
begin_auth(struct smtp_server *s)
{
	begin_exchange(s);
	assert_int_equal(feed(s, "d29uZGVybGFuZA==\r\n"), SMTP_ASK_AUTH);
	assert_int_equal(smtp_server_next(s), SMTP_WAIT);
}

static void
begin_sender(struct smtp_server *s)
{
	begin_auth(s);
	smtp_server_answer_auth(s, SMTP_AUTH_YES, BYTES("alice"));
	assert_int_equal(
	    feed(s, "MAIL FROM:<Alice@MX.example>\r\n"), SMTP_ASK_SENDER);
	assert_int_equal(smtp_server_next(s), SMTP_WAIT);
}

static void
handshake(void **state)
{
	struct smtp_server s;

	(void)state;
	begin_handshake(&s);
	smtp_server_secured(&s, BYTES(TLS));
	assert_int_equal(smtp_server_next(&s), SMTP_MORE);
	expect_output(&s, "");
	assert_int_equal(feed(&s, "STARTTLS\r\n"), SMTP_MORE);
	expect_output(&s, "503 5.5.1 TLS is there already\r\n");
	smtp_server_finish(&s);
}

/* Whether the 220 has gone out or not. */
static void
bytes_before_the_handshake(void **state)
{
	static const char *const inputs[] = { "\x16", "EHLO client.example\r\n", "\r\n" };
	struct smtp_server       s;

	(void)state;
	for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
		begin_handshake(&s);
		smtp_server_feed(&s, bytes_of(inputs[i]));
		assert_int_equal(smtp_server_next(&s), SMTP_CLOSE);
		expect_output(&s,
		    "501 5.5.4 nothing may stand behind STARTTLS; closing\r\n");
		/* TLS that comes all the same opens nothing */
		smtp_server_secured(&s, BYTES(TLS));
		smtp_server_feed(&s, BYTES("EHLO client.example\r\n"));
		assert_int_equal(smtp_server_next(&s), SMTP_CLOSE);
		expect_output(&s, "");
		smtp_server_finish(&s);
	}
}

/* A driver that says so at the wrong time is not believed. */
static void
secured_out_of_turn(void **state)
{
	struct smtp_server s;

	(void)state;
	begin(&s, &submission);
	smtp_server_secured(&s, BYTES(TLS));
	assert_int_equal(feed(&s, "EHLO client.example\r\n"), SMTP_MORE);
	smtp_server_secured(&s, BYTES(TLS));
	assert_int_equal(feed(&s, PLAIN), SMTP_MORE);
	expect_output(&s, "530 5.7.0 STARTTLS first\r\n");
	smtp_server_finish(&s);
}

/* Nor one that forgets it where TLS comes first. */
static void
not_secured(void **state)
{
	struct smtp_server s;

	(void)state;
	smtp_server_init(&s, &smtps, BYTES("192.0.2.1"), BYTES(""), true);
	smtp_server_greet(&s);
	assert_int_equal(feed(&s, "EHLO client.example\r\n"), SMTP_MORE);
	assert_int_equal(feed(&s, PLAIN), SMTP_MORE);
	expect_output(&s, "530 5.7.0 STARTTLS first\r\n");
	assert_int_equal(feed(&s, "MAIL FROM:<a@b.example>\r\n"), SMTP_MORE);
	expect_output(&s, "530 5.7.0 STARTTLS first\r\n");
	assert_int_equal(feed(&s, "STARTTLS\r\n"), SMTP_MORE);
	expect_output(&s, "503 5.5.1 TLS is there already\r\n");
	smtp_server_finish(&s);
}

static void
auth_question(void **state)
{
	struct smtp_server s;

	(void)state;
	begin_auth(&s);
	assert_true(bytes_equal(smtp_server_user(&s), BYTES("alice")));
	assert_true(bytes_equal(smtp_server_password(&s), BYTES("wonderland")));
	assert_int_equal(smtp_server_authenticated(&s).n, 0);
	/* input waits, and an answer to another question is nobody's */
	assert_int_equal(feed(&s, "MAIL FROM:<>\r\n"), SMTP_WAIT);
	smtp_server_answer_sender(&s, SMTP_SENDER_OWN);
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_OK);
	smtp_server_secured(&s, BYTES(TLS));
	assert_int_equal(smtp_server_next(&s), SMTP_WAIT);
	smtp_server_answer_auth(&s, SMTP_AUTH_YES, BYTES("Alice"));
	assert_int_equal(smtp_server_user(&s).n, 0);
	assert_int_equal(smtp_server_password(&s).n, 0);
	assert_true(bytes_equal(smtp_server_authenticated(&s), BYTES("Alice")));
	assert_int_equal(smtp_server_next(&s), SMTP_MORE);
	expect_output(&s, "235 2.7.0 welcome\r\n250 2.1.0 ok\r\n");
	/* a second answer is none */
	smtp_server_answer_auth(&s, SMTP_AUTH_YES, BYTES("bob"));
	assert_true(bytes_equal(smtp_server_authenticated(&s), BYTES("Alice")));
	expect_output(&s, "");
	smtp_server_finish(&s);
}

static void
auth_answers(void **state)
{
	static const struct {
		enum smtp_auth_answer answer;
		const char           *user;
		const char           *reply;
	} rows[] = {
		{ SMTP_AUTH_NO, "", "535 5.7.8 user or password is wrong\r\n" },
		{ SMTP_AUTH_NO, "alice", "535 5.7.8 user or password is wrong\r\n" },
		{ SMTP_AUTH_TRY_LATER, "alice",
		    "454 4.7.0 cannot be checked now, try again later\r\n" },
		/* a yes for nobody is none */
		{ SMTP_AUTH_YES, "",
		    "454 4.7.0 cannot be checked now, try again later\r\n" },
	};
	struct smtp_server s;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		begin_auth(&s);
		smtp_server_answer_auth(&s, rows[i].answer, bytes_of(rows[i].user));
		expect_output(&s, rows[i].reply);
		assert_int_equal(smtp_server_authenticated(&s).n, 0);
		assert_int_equal(smtp_server_password(&s).n, 0);
		assert_int_equal(feed(&s, "MAIL FROM:<>\r\n"), SMTP_MORE);
		expect_output(&s, "530 5.7.0 AUTH first\r\n");
		smtp_server_finish(&s);
	}
}

/* For the log: who it was that was refused. */
static void
note_user(const struct smtp_refusal *refusal, void *context)
{
	const struct smtp_server *s = context;

	assert_int_equal(refusal->reply.code, 535);
	assert_true(bytes_equal(smtp_server_user(s), BYTES("alice")));
	check_expected(refusal->reply.code);
}

static void
watcher_sees_the_user(void **state)
{
	struct smtp_server s;

	(void)state;
	begin_auth(&s);
	smtp_server_watch(&s, note_user, &s);
	expect_value(note_user, refusal->reply.code, 535);
	smtp_server_answer_auth(&s, SMTP_AUTH_NO, BYTES(""));
	smtp_server_finish(&s);
}

static void
sender_question(void **state)
{
	struct smtp_server s;

	(void)state;
	begin_sender(&s);
	assert_true(bytes_equal(smtp_server_sender(&s), BYTES("alice@mx.example")));
	assert_false(smtp_server_is_in_transaction(&s));
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_OK);
	smtp_server_answer_auth(&s, SMTP_AUTH_YES, BYTES("bob"));
	assert_int_equal(feed(&s, "RCPT TO:<x@other.example>\r\n"), SMTP_WAIT);
	smtp_server_answer_sender(&s, SMTP_SENDER_OWN);
	assert_int_equal(smtp_server_next(&s), SMTP_ASK_RECIPIENT);
	assert_true(smtp_server_is_in_transaction(&s));
	expect_output(&s, "250 2.1.0 ok\r\n");
	/* who may relay is asked all the same, and may have sent too much */
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_LIMIT);
	expect_output(&s, "450 4.7.1 <x@other.example>: "
	                  "too many recipients today, try again later\r\n");
	assert_int_equal(feed(&s, "RCPT TO:<x@other.example>\r\n"), SMTP_ASK_RECIPIENT);
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_NOT_OURS);
	expect_output(&s, "250 2.1.5 ok\r\n");
	smtp_server_finish(&s);
}

static void
envelope_of_a_user(void **state)
{
	struct smtp_server     s;
	const struct envelope *e;
	uint64_t               size = 0;
	enum smtp_event        event;

	(void)state;
	begin_sender(&s);
	smtp_server_answer_sender(&s, SMTP_SENDER_OWN);
	assert_int_equal(feed(&s, "RCPT TO:<bob@mx.example>\r\n"), SMTP_ASK_RECIPIENT);
	smtp_server_answer_recipient(&s, SMTP_RECIPIENT_OK);
	assert_int_equal(feed(&s, "DATA\r\n"), SMTP_ASK_DATA);
	smtp_server_answer_data(&s, &id, now_ms);
	smtp_server_feed(&s, BYTES("Subject: one\r\n\r\nbody\r\n.\r\n"));
	while ((event = smtp_server_next(&s)) == SMTP_BODY)
		size += smtp_server_body(&s).n;
	assert_int_equal(event, SMTP_COMMIT);
	e = smtp_server_envelope(&s);
	assert_true(bytes_equal(e->user, BYTES("alice")));
	assert_true(bytes_equal(e->tls, BYTES(TLS)));
	assert_true(bytes_equal(e->listener, BYTES("smtps")));
	assert_true(bytes_equal(e->reverse_path, BYTES("Alice@MX.example")));
	assert_int_equal(e->size_bytes, size); /* Date and Message-ID are in it */
	assert_true(size > 250);
	smtp_server_finish(&s);
}

/* Every way in which a session ends from outside, at each question of these. */
static void (*const stages[])(struct smtp_server *) = {
	begin_handshake, begin_exchange, begin_auth, begin_sender,
};

static void
expect_end(struct smtp_server *s, const char *output)
{
	assert_int_equal(smtp_server_next(s), SMTP_CLOSE);
	expect_output(s, output);
	assert_int_equal(smtp_server_password(s).n, 0);
	/* what comes now comes too late */
	smtp_server_secured(s, BYTES(TLS));
	smtp_server_answer_auth(s, SMTP_AUTH_YES, BYTES("alice"));
	smtp_server_answer_sender(s, SMTP_SENDER_OWN);
	smtp_server_feed(s, BYTES("NOOP\r\n"));
	assert_int_equal(smtp_server_next(s), SMTP_CLOSE);
	expect_output(s, "");
	smtp_server_finish(s);
}

static void
ends(void **state)
{
	struct smtp_server s;

	(void)state;
	for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
		stages[i](&s);
		smtp_server_sent(&s, smtp_server_output(&s).n);
		smtp_server_timeout(&s);
		expect_end(&s, "421 4.4.2 you took too long; closing\r\n");
		stages[i](&s);
		smtp_server_sent(&s, smtp_server_output(&s).n);
		smtp_server_shutdown(&s);
		expect_end(&s, "421 4.3.2 the service stops; come back later\r\n");
		stages[i](&s);
		smtp_server_gone(&s);
		expect_end(&s, "");
	}
}

static void
idle_memory(void **state)
{
	struct smtp_server s;

	(void)state;
	begin_sender(&s);
	smtp_server_answer_sender(&s, SMTP_SENDER_NOT_OWN);
	assert_int_equal(smtp_server_next(&s), SMTP_MORE);
	smtp_server_sent(&s, smtp_server_output(&s).n);
	assert_null(s.in.p);
	assert_null(s.out.p);
	assert_null(s.sender.p);
	assert_null(s.sasl.user.p);
	assert_null(s.sasl.password.p);
	assert_null(s.transaction.arena.blocks);
	assert_true(sizeof s + s.helo.cap + s.tls.cap + s.user.cap < 2000);
	smtp_server_finish(&s);
}

/* --- the trace field --- */

static enum smtp_event
run_to_data(struct smtp_server *s, const char *input)
{
	enum smtp_event event = feed(s, input);

	while (event != SMTP_ASK_DATA && event != SMTP_MORE) {
		if (event == SMTP_ASK_AUTH)
			smtp_server_answer_auth(s, SMTP_AUTH_YES, BYTES("alice"));
		else if (event == SMTP_ASK_SENDER)
			smtp_server_answer_sender(s, SMTP_SENDER_OWN);
		else if (event == SMTP_HANDSHAKE)
			smtp_server_secured(s, BYTES(TLS));
		else
			smtp_server_answer_recipient(s, SMTP_RECIPIENT_OK);
		event = smtp_server_next(s);
	}
	return event;
}

static void
received(void **state)
{
	static const struct smtp_policy clear_user =
	    POLICY("odd", LISTENER_CLEAR, false);
	static const struct {
		const struct smtp_policy *policy;
		bool                      hides;
		const char               *hello[4];
		const char               *with;
		const char               *parameter; /* of MAIL */
	} rows[] = {
		{ &clear_user, true, { "HELO c.example\r\n" }, "from c.example (client.example "
		    "[192.0.2.1])\n\tby mx.example with SMTP id ", "" },
		{ &smtp, true, { "EHLO c.example\r\n" }, "from c.example (client.example "
		    "[192.0.2.1])\n\tby mx.example with ESMTP id ", "" },
		{ &smtp, true, { "STARTTLS\r\n", "EHLO c.example\r\n" },
		    "from c.example (client.example [192.0.2.1])\n"
		    "\tby mx.example with ESMTPS (" TLS ")\n\tid ", "" },
		{ &smtp, false, { "STARTTLS\r\n", "HELO c.example\r\n" },
		    "from c.example (client.example [192.0.2.1])\n"
		    "\tby mx.example with SMTP (" TLS ")\n\tid ", "" },
		{ &smtps, false, { "EHLO c.example\r\n", PLAIN },
		    "from c.example (client.example [192.0.2.1])\n"
		    "\tby mx.example with ESMTPSA (" TLS ")\n\tid ", "" },
		{ &smtps, true, { "EHLO c.example\r\n", PLAIN },
		    "from authenticated.invalid\n"
		    "\tby mx.example with ESMTPSA (" TLS ")\n\tid ", "" },
		{ &submission, true, { "STARTTLS\r\n", "EHLO c.example\r\n", PLAIN },
		    "from authenticated.invalid\n"
		    "\tby mx.example with ESMTPSA (" TLS ")\n\tid ", "" },
		{ &smtp, false, { "EHLO c.example\r\n" }, "from c.example (client.example "
		    "[192.0.2.1])\n\tby mx.example with UTF8SMTP id ", " SMTPUTF8" },
		{ &smtp, false, { "STARTTLS\r\n", "EHLO c.example\r\n" },
		    "from c.example (client.example [192.0.2.1])\n"
		    "\tby mx.example with UTF8SMTPS (" TLS ")\n\tid ", " SMTPUTF8" },
		{ &smtps, false, { "EHLO c.example\r\n", PLAIN },
		    "from c.example (client.example [192.0.2.1])\n"
		    "\tby mx.example with UTF8SMTPSA (" TLS ")\n\tid ", " SMTPUTF8" },
		{ &local, false, { "EHLO localhost\r\n" },
		    "from www-data (uid 33)\n\tby mx.example with ESMTP id ", "" },
		{ &local, false, { "HELO localhost\r\n" },
		    "from www-data (uid 33)\n\tby mx.example with SMTP id ", "" },
		{ &local, false, { "EHLO localhost\r\n" },
		    "from www-data (uid 33)\n\tby mx.example with UTF8SMTP id ", " SMTPUTF8" },
		{ &local, true, { "EHLO localhost\r\n" },
		    "from authenticated.invalid\n\tby mx.example with ESMTP id ", "" },
	};
	char expected[400];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct smtp_policy policy = *rows[i].policy;
		struct smtp_server s;

		policy.hide_client = rows[i].hides;
		begin(&s, &policy);
		for (size_t j = 0; rows[i].hello[j]; j++)
			run_to_data(&s, rows[i].hello[j]);
		snprintf(expected, sizeof expected, "MAIL FROM:<alice@mx.example>%s\r\n"
		    "RCPT TO:<bob@mx.example>\r\nDATA\r\n",
		    rows[i].parameter);
		assert_int_equal(run_to_data(&s, expected), SMTP_ASK_DATA);
		smtp_server_answer_data(&s, &id, now_ms);
		assert_int_equal(smtp_server_next(&s), SMTP_BODY);
		snprintf(expected, sizeof expected, "Received: %s%s\n"
		    "\tfor <bob@mx.example>; Tue, 24 Nov 2026 23:30:38 +0000\n",
		    rows[i].with, id_text(&id).p);
		if (!bytes_equal(smtp_server_body(&s), bytes_of(expected)))
			fail_msg("row %zu: %.*s", i, BYTES_ARG(smtp_server_body(&s)));
		smtp_server_finish(&s);
	}
}

/* Of a message with SMTPUTF8 the field may have UTF-8 too (RFC 6532). */
static void
received_for_utf8(void **state)
{
	static const char  named[] = "\tfor <j\xc3\xb6rg@\xc3\xbc.example>; ";
	struct smtp_server s;

	(void)state;
	begin(&s, &smtp);
	assert_int_equal(run_to_data(&s, "EHLO x\r\n"
	    "MAIL FROM:<a@b.example> SMTPUTF8\r\n"
	    "RCPT TO:<j\xc3\xb6rg@\xc3\xbc.example>\r\nDATA\r\n"), SMTP_ASK_DATA);
	smtp_server_answer_data(&s, &id, now_ms);
	assert_int_equal(smtp_server_next(&s), SMTP_BODY);
	assert_non_null(memmem(smtp_server_body(&s).p, smtp_server_body(&s).n,
	    named, strlen(named)));
	smtp_server_finish(&s);
}

/* An account is believed on its own listener alone, and before the greeting. */
static void
account_out_of_turn(void **state)
{
	struct smtp_server s;

	(void)state;
	smtp_server_init(&s, &smtp, BYTES("192.0.2.1"), BYTES(""), false);
	smtp_server_account(&s, BYTES("root"), 0);
	assert_int_equal(smtp_server_authenticated(&s).n, 0);
	smtp_server_finish(&s);
	begin(&s, &local);
	smtp_server_account(&s, BYTES("root"), 0);
	assert_true(bytes_equal(smtp_server_authenticated(&s), BYTES("www-data")));
	smtp_server_finish(&s);
}

/* What describes TLS stands in a comment, and does not get out of it. */
static void
received_with_odd_tls(void **state)
{
	struct smtp_server s;

	(void)state;
	begin(&s, &smtp);
	assert_int_equal(feed(&s, "STARTTLS\r\n"), SMTP_HANDSHAKE);
	smtp_server_secured(&s, BYTES("a)\\\n(b; c"));
	assert_int_equal(run_to_data(&s, "EHLO x\r\nMAIL FROM:<a@b.example>\r\n"
	    "RCPT TO:<bob@mx.example>\r\nDATA\r\n"), SMTP_ASK_DATA);
	smtp_server_answer_data(&s, &id, now_ms);
	assert_int_equal(smtp_server_next(&s), SMTP_BODY);
	assert_non_null(memmem(smtp_server_body(&s).p, smtp_server_body(&s).n,
	    "(a?? ?b? c)\n", 12));
	smtp_server_finish(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake),
		cmocka_unit_test(bytes_before_the_handshake),
		cmocka_unit_test(secured_out_of_turn),
		cmocka_unit_test(not_secured),
		cmocka_unit_test(auth_question),
		cmocka_unit_test(auth_answers),
		cmocka_unit_test(watcher_sees_the_user),
		cmocka_unit_test(sender_question),
		cmocka_unit_test(envelope_of_a_user),
		cmocka_unit_test(ends),
		cmocka_unit_test(idle_memory),
		cmocka_unit_test(received),
		cmocka_unit_test(received_with_odd_tls),
		cmocka_unit_test(received_for_utf8),
		cmocka_unit_test(account_out_of_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
