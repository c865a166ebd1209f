/*
 * All sequences of four commands on each SMTP listener, from the beginning, under TLS, and
 * authenticated: what may never happen, whatever comes before it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/smtp_server.h"

enum command {
	EHLO,
	STARTTLS,
	AUTH_PLAIN,
	AUTH_LOGIN,
	MAIL,
	RCPT,
	DATA,
	BDAT,
	RSET,
	NOOP,
	QUIT,
	GARBAGE,
	COMMANDS,
};

static const char *const lines[COMMANDS] = {
	[EHLO] = "EHLO client.example\r\n",
	[STARTTLS] = "STARTTLS\r\n",
	[AUTH_PLAIN] = "AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\r\n",
	[AUTH_LOGIN] = "AUTH LOGIN\r\n",
	[MAIL] = "MAIL FROM:<alice@mx.example>\r\n",
	[RCPT] = "RCPT TO:<bob@mx.example>\r\n",
	[DATA] = "DATA\r\n",
	[BDAT] = "BDAT 0 LAST\r\n",
	[RSET] = "RSET\r\n",
	[NOOP] = "NOOP\r\n",
	[QUIT] = "QUIT\r\n",
	[GARBAGE] = "XYZZY\r\n",
};

enum { DEPTH = 4, PREFIX_MAX = 5, CODES = 600 };

/* What has happened, seen from outside. */
struct session {
	const struct smtp_policy *policy;
	struct smtp_server        engine;
	bool                      is_secure, is_greeted, is_authenticated, is_exchanging;
	bool                      is_open, has_recipient, is_closed;
	unsigned                  code;    /* of the last reply */
	struct buf                output;  /* to the last command */
	const enum command       *sequence; /* for a failure's text */
	size_t                    n;
	unsigned                 *counts; /* of replies by their codes */
};

static void
require(const struct session *s, bool holds, const char *rule)
{
	char text[200] = "";

	if (holds)
		return;
	for (size_t i = 0; i < s->n; i++) {
		strncat(text, lines[s->sequence[i]], strcspn(lines[s->sequence[i]], "\r"));
		strcat(text, "; ");
	}
	fail_msg("%.*s: %s%u: %s", BYTES_ARG(s->policy->listener), text, s->code, rule);
}

/* --- the driver: everybody says yes, but there is one password --- */

static enum smtp_auth_answer
auth_answer(const struct smtp_server *engine)
{
	return bytes_equal(smtp_server_password(engine), BYTES("wonderland"))
	    ? SMTP_AUTH_YES
	    : SMTP_AUTH_NO;
}

static void
answer(struct session *s, enum smtp_event question)
{
	static const struct id id = { { 1 } };
	struct smtp_server    *engine = &s->engine;

	if (question == SMTP_HANDSHAKE) {
		require(s, !s->is_secure, "TLS within TLS");
		smtp_server_secured(engine, BYTES("TLSv1.3"));
	} else if (question == SMTP_ASK_AUTH) {
		require(s, s->policy->auth && s->is_secure, "a password is asked about");
		smtp_server_answer_auth(engine, auth_answer(engine), BYTES("alice"));
	} else if (question == SMTP_ASK_SENDER) {
		require(s, s->is_authenticated, "a sender is nobody's");
		smtp_server_answer_sender(engine, SMTP_SENDER_OWN);
	} else if (question == SMTP_ASK_RECIPIENT) {
		smtp_server_answer_recipient(engine, SMTP_RECIPIENT_OK);
	} else if (question == SMTP_ASK_DATA) {
		smtp_server_answer_data(engine, &id, 0);
	} else {
		smtp_server_answer_commit(engine, SMTP_REPLY(250, 2, 0, 0, "accepted"));
	}
}

static void
take_output(struct session *s)
{
	struct bytes out = smtp_server_output(&s->engine);

	buf_add_bytes(&s->output, out);
	smtp_server_sent(&s->engine, out.n);
}

static void
pump(struct session *s)
{
	enum smtp_event question = SMTP_MORE;

	for (;;) {
		enum smtp_event event = smtp_server_next(&s->engine);

		take_output(s);
		switch (event) {
		case SMTP_HANDSHAKE:
		case SMTP_ASK_AUTH:
		case SMTP_ASK_SENDER:
		case SMTP_ASK_RECIPIENT:
		case SMTP_ASK_DATA:
		case SMTP_COMMIT:
			question = event;
			break;
		case SMTP_WAIT:
			answer(s, question);
			break;
		case SMTP_CLOSE:
			s->is_closed = true;
			return;
		case SMTP_MORE:
			return;
		case SMTP_BODY:
		case SMTP_DISCARD:
		case SMTP_FLUSH:
			break;
		}
	}
}

/* The code of the last line, and that reply's text is kept until the next. */
static void
talk(struct session *s, const char *text)
{
	struct bytes rest, line, last = { NULL, 0 };

	buf_clear(&s->output);
	smtp_server_feed(&s->engine, bytes_of(text));
	pump(s);
	rest = buf_bytes(&s->output);
	while (bytes_split(&rest, '\n', &line))
		last = line;
	assert_true(last.n > 4);
	s->code = 0;
	for (size_t i = 0; i < 3; i++)
		s->code = s->code * 10 + (unsigned)(last.p[i] - '0');
	assert_true(s->code < CODES);
	s->counts[s->code]++;
}

/* --- the rules --- */

static bool
offers(const struct session *s, const char *keyword)
{
	return memmem(s->output.p, s->output.len, keyword, strlen(keyword)) != NULL;
}

static void
check_offers(const struct session *s)
{
	bool may_starttls = !s->is_secure && s->policy->tls != LISTENER_TLS &&
	    s->policy->tls != LISTENER_CLEAR;

	require(s, offers(s, "AUTH") == (s->policy->auth && s->is_secure),
	    "AUTH is offered under TLS, where it is");
	require(s, offers(s, "STARTTLS") == may_starttls, "STARTTLS is offered before TLS");
}

/* Nothing but these is obeyed where TLS is required. */
static bool
is_harmless(enum command c)
{
	return c == EHLO || c == STARTTLS || c == RSET || c == NOOP || c == QUIT;
}

static void
check_reply(const struct session *s, enum command c)
{
	const struct smtp_policy *p = s->policy;
	bool is_good = s->code < 400;
	bool needs_tls = p->tls >= LISTENER_STARTTLS_REQUIRED;

	if (s->code == 235 || s->code == 334)
		require(s, p->auth && s->is_secure && !s->is_authenticated,
		    "AUTH only under TLS, only where it is, only once");
	if (s->is_exchanging) { /* RSET and others may be base64 of something */
		require(s, s->code == 334 || s->code == 501 || s->code == 535,
		    "in an exchange a command is a response");
		return;
	}
	if (c == AUTH_PLAIN || c == AUTH_LOGIN)
		require(s, !is_good || s->is_greeted, "AUTH only behind EHLO");
	if (needs_tls && !s->is_secure)
		require(s, is_harmless(c) || s->code == 530, "not before TLS");
	if (c == STARTTLS && is_good)
		require(s, s->code == 220 && !s->is_secure, "STARTTLS only before TLS");
	if (c == MAIL && is_good)
		require(s, s->is_greeted && !s->is_open && (!p->auth || s->is_authenticated),
		    "MAIL behind EHLO, and behind AUTH where it is");
	if (c == RCPT && is_good)
		require(s, s->is_open, "RCPT behind MAIL");
	if (s->code == 354)
		require(s, c == DATA && s->has_recipient, "DATA behind RCPT");
	if (c == BDAT && is_good)
		require(s, s->code == 250 && s->has_recipient, "BDAT behind RCPT");
	if (c == GARBAGE)
		require(s, s->code >= 500, "garbage is refused");
}

/* What that reply has changed. */
static void
follow(struct session *s, enum command c)
{
	bool was_exchanging = s->is_exchanging;

	s->is_exchanging = s->code == 334;
	if (c == BDAT && !was_exchanging) /* the message came, or is lost */
		s->is_open = s->has_recipient = false;
	if (was_exchanging || s->code >= 400)
		return;
	if (c == STARTTLS) {
		s->is_secure = true;
		s->is_greeted = false;
	}
	if (c == EHLO)
		s->is_greeted = true;
	if (s->code == 235)
		s->is_authenticated = true;
	if (c == EHLO || c == RSET || c == STARTTLS || c == DATA)
		s->is_open = s->has_recipient = false;
	if (c == MAIL)
		s->is_open = true;
	if (c == RCPT)
		s->has_recipient = true;
}

static void
give(struct session *s, enum command c)
{
	bool was_exchanging = s->is_exchanging;

	talk(s, lines[c]);
	check_reply(s, c);
	if (c == EHLO && !was_exchanging)
		check_offers(s);
	follow(s, c);
	if (s->code == 354) {
		talk(s, "Subject: one\r\n.\r\n");
		require(s, s->code == 250, "a message is accepted");
	}
}

/* Each sequence is a number to the base COMMANDS. */
static void
play(const struct smtp_policy *policy, const enum command *prefix, size_t n_prefix,
    unsigned number, unsigned counts[CODES])
{
	enum command   sequence[PREFIX_MAX + DEPTH];
	struct session s = { .policy = policy, .sequence = sequence, .counts = counts };

	for (size_t i = 0; i < n_prefix; i++)
		sequence[i] = prefix[i];
	for (size_t i = 0; i < DEPTH; i++, number /= COMMANDS)
		sequence[n_prefix + i] = (enum command)(number % COMMANDS);
	buf_init(&s.output, 64 * 1024);
	smtp_server_init(&s.engine, policy, BYTES("192.0.2.1"), BYTES(""), false);
	if (policy->is_local)
		smtp_server_account(&s.engine, BYTES("alice"), 1000);
	s.is_secure = policy->tls == LISTENER_TLS;
	if (s.is_secure)
		smtp_server_secured(&s.engine, BYTES("TLSv1.3"));
	smtp_server_greet(&s.engine);
	pump(&s);
	for (s.n = 1; s.n <= n_prefix + DEPTH && !s.is_closed; s.n++)
		give(&s, sequence[s.n - 1]);
	smtp_server_finish(&s.engine);
	buf_finish(&s.output);
}

static void
play_all(const struct smtp_policy *policy, const enum command *prefix, size_t n_prefix,
    unsigned counts[CODES])
{
	unsigned sequences = 1;

	for (size_t i = 0; i < DEPTH; i++)
		sequences *= COMMANDS;
	memset(counts, 0, CODES * sizeof *counts);
	for (unsigned i = 0; i < sequences; i++)
		play(policy, prefix, n_prefix, i, counts);
}

static struct smtp_policy
policy_of(const char *listener)
{
	const struct listener_policy *is = listener_policy(bytes_of(listener));

	assert_non_null(is);
	return (struct smtp_policy){
		.hostname = BYTES("mx.example"),
		.listener = bytes_of(listener),
		.size_max = 1000,
		.recipients_max = 10,
		.errors_max = 20,
		.hops_max = 100,
		.tls = is->tls,
		.auth = is->auth,
		.is_local = is->is_local,
	};
}

static const enum command secured[] = { EHLO, STARTTLS, EHLO };
static const enum command authenticated[] = { EHLO, STARTTLS, EHLO, AUTH_PLAIN };

/* The counts show that what is allowed can be done, and where. */
static void
smtp_never_authenticates(void **state)
{
	struct smtp_policy policy = policy_of("smtp");
	unsigned           counts[CODES];

	(void)state;
	play_all(&policy, NULL, 0, counts);
	assert_int_equal(counts[235] + counts[334], 0);
	assert_int_equal(counts[354], 1); /* EHLO MAIL RCPT DATA */
	assert_true(counts[220] > 0 && counts[502] > 0);
	play_all(&policy, secured, 3, counts);
	assert_int_equal(counts[235] + counts[334], 0);
	assert_true(counts[354] > 1 && counts[502] > 0);
}

static void
smtps_authenticates_first(void **state)
{
	struct smtp_policy policy = policy_of("smtps");
	unsigned           counts[CODES];

	(void)state;
	play_all(&policy, NULL, 0, counts);
	assert_int_equal(counts[220] + counts[354], 0);
	assert_true(counts[235] > 0 && counts[334] > 0 && counts[530] > 0);
	/* EHLO, and STARTTLS is refused */
	play_all(&policy, authenticated, 4, counts);
	assert_int_equal(counts[220], 0);
	assert_true(counts[354] > 1);
}

static void
submission_wants_tls_first(void **state)
{
	struct smtp_policy policy = policy_of("submission");
	unsigned           counts[CODES];

	(void)state;
	play_all(&policy, NULL, 0, counts);
	assert_int_equal(counts[354], 0);
	assert_true(counts[235] > 0);
	assert_true(counts[220] > 0 && counts[530] > 0);
	play_all(&policy, secured, 3, counts);
	assert_int_equal(counts[354], 1); /* AUTH MAIL RCPT DATA */
	assert_true(counts[235] > 1 && counts[334] > 0);
	play_all(&policy, authenticated, 4, counts);
	assert_true(counts[354] > 1);
}

/* Who is known by his account is asked for nothing. */
static void
local_knows_the_account(void **state)
{
	struct smtp_policy policy = policy_of("local");
	unsigned           counts[CODES];

	(void)state;
	play_all(&policy, NULL, 0, counts);
	assert_int_equal(counts[235] + counts[334] + counts[530], 0);
	assert_int_equal(counts[354], 1); /* EHLO MAIL RCPT DATA */
	assert_int_equal(counts[220], 0); /* no STARTTLS */
	assert_true(counts[502] > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smtp_never_authenticates),
		cmocka_unit_test(smtps_authenticates_first),
		cmocka_unit_test(submission_wants_tls_first),
		cmocka_unit_test(local_knows_the_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
