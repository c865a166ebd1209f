/* What no transcript can show: memory, bounds, deadlines; and every short run of replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/smtp_client.h"
#include "proto/smtp_client_private.h" /* to see what memory it holds */

static const struct smtp_client_policy policy = {
	.hostname = BYTES_INIT("client.example"),
};

static const struct envelope_recipient recipients[] = {
	{ .address = BYTES_INIT("b@mx.example") },
	{ .address = BYTES_INIT("c@mx.example") },
};

static const struct smtp_transaction_out transaction = {
	.reverse_path = BYTES_INIT("a@client.example"),
	.size_bytes = 5,
	.recipients = recipients,
	.n_recipients = 2,
};

static void
send_all(struct smtp_client *c)
{
	smtp_client_sent(c, smtp_client_output(c).n);
}

static enum smtp_client_event
feed(struct smtp_client *c, const char *input)
{
	smtp_client_feed(c, bytes_of(input));
	return smtp_client_next(c);
}

/* IDLE, with what the lines behind the first of EHLO's reply offer. */
static struct smtp_client *
connect(const char *offers)
{
	struct smtp_client *c = smtp_client_new(&policy);

	assert_non_null(c);
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_MORE);
	assert_int_equal(feed(c, "220 mx\r\n250-mx\r\n"), SMTP_CLIENT_MORE);
	assert_int_equal(feed(c, offers), SMTP_CLIENT_IDLE);
	send_all(c);
	return c;
}

/* BODY, in a transaction with that size. */
static struct smtp_client *
begin_body(uint64_t size_bytes)
{
	struct smtp_client         *c = connect("250 PIPELINING\r\n");
	struct smtp_transaction_out out = transaction;

	out.size_bytes = size_bytes;
	smtp_client_begin(c, &out);
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_MORE);
	assert_int_equal(
	    feed(c, "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"), SMTP_CLIENT_BODY);
	send_all(c);
	return c;
}

static void
test_idle_holds_no_memory(void **state)
{
	struct smtp_client *c = begin_body(5);

	(void)state;
	smtp_client_body(c, BYTES("text\n"), true);
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_MORE);
	send_all(c);
	assert_int_equal(feed(c, "250 ok\r\n"), SMTP_CLIENT_DONE);
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_IDLE);
	assert_null(c->in.p);
	assert_null(c->out.p);
	assert_true(c->transaction.arena.used < 1024);
	assert_true(sizeof *c < 1024);
	/* the outcomes are there up to the next transaction */
	assert_int_equal(smtp_client_outcome(c, 1).kind, OUTCOME_DELIVERED);
	assert_int_equal(smtp_client_transactions(c), 1);
	smtp_client_free(c);
	smtp_client_free(NULL);
}

/* The worst message doubles; there is room for it, and then it has to go out. */
static void
test_output_is_bounded(void **state)
{
	static char         lines[SMTP_CLIENT_BODY_CHUNK];
	struct smtp_client *c = begin_body(20 * sizeof lines);
	struct bytes        piece = { lines, sizeof lines };

	(void)state;
	memset(lines, '\n', sizeof lines);
	for (int i = 0; i < 20; i++) {
		smtp_client_body(c, piece, i == 19);
		assert_int_equal(smtp_client_next(c), SMTP_CLIENT_FLUSH);
		assert_int_equal(smtp_client_next(c), SMTP_CLIENT_FLUSH);
		assert_in_range(smtp_client_output(c).n, 2 * sizeof lines, 4 * sizeof lines);
		/* what is left may wait for the next piece */
		smtp_client_sent(c, smtp_client_output(c).n - 1000);
		assert_int_equal(smtp_client_next(c),
		    i < 19 ? SMTP_CLIENT_BODY : SMTP_CLIENT_MORE);
	}
	assert_int_equal(smtp_client_output(c).n, 1000);
	assert_int_equal(memcmp(smtp_client_output(c).p + 995, "\r\n.\r\n", 5), 0);
	smtp_client_free(c);
}

static size_t
count_lines(struct bytes said)
{
	struct bytes line;
	size_t       n = 0;

	while (bytes_split(&said, '\n', &line))
		n += line.n > 0;
	return n;
}

/*
 * Of thousands only so many are said before some are replied to; and each reply makes
 * room for one more.
 */
static void
test_thousands(void **state)
{
	enum { N = SMTP_CLIENT_QUEUE_RECIPIENTS_MAX };
	static struct envelope_recipient many[N + 1];
	struct smtp_transaction_out      out = transaction;
	struct smtp_client              *c = connect("250-PIPELINING\r\n250 XQUEUE\r\n");
	enum smtp_client_event           event;
	size_t                           n_said = 0;

	(void)state;
	for (size_t i = 0; i <= N; i++)
		many[i].address = BYTES("b@mx.example");
	out.recipients = many;
	out.n_recipients = N;
	out.all_or_none = true;
	smtp_client_begin(c, &out);
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_MORE);
	for (size_t i = 0; i <= N; i++) {
		n_said += count_lines(smtp_client_output(c));
		assert_in_range(n_said, i + 1, i + SMTP_CLIENT_RECIPIENTS_MAX + 2);
		send_all(c);
		event = feed(c, "250 ok\r\n");
		assert_int_equal(event, SMTP_CLIENT_MORE);
	}
	assert_true(bytes_equal(smtp_client_output(c), BYTES("DATA\r\n")));
	smtp_client_free(c);
	/* one more is one too many, and nothing is said */
	c = connect("250-PIPELINING\r\n250 XQUEUE\r\n");
	out.n_recipients = N + 1;
	smtp_client_begin(c, &out);
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_CLOSE);
	assert_int_equal(smtp_client_output(c).n, 0);
	assert_int_equal(smtp_client_outcome(c, N).kind, OUTCOME_DEFERRED);
	smtp_client_free(c);
}

/* Many long recipients go out in pieces, in one go all the same. */
static void
test_large_envelope(void **state)
{
	static char                orcpt[500];
	struct envelope_recipient  many[SMTP_CLIENT_RECIPIENTS_MAX];
	struct smtp_transaction_out out = transaction;
	struct smtp_client        *c = connect("250-PIPELINING\r\n250 DSN\r\n");
	size_t                     said = 0;

	(void)state;
	memset(orcpt, 'x', sizeof orcpt);
	memcpy(orcpt, "rfc822;", 7);
	for (size_t i = 0; i < SMTP_CLIENT_RECIPIENTS_MAX; i++) {
		many[i] = recipients[0];
		many[i].orcpt = (struct bytes){ orcpt, sizeof orcpt };
	}
	out.recipients = many;
	out.n_recipients = SMTP_CLIENT_RECIPIENTS_MAX;
	smtp_client_begin(c, &out);
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_FLUSH);
	said = smtp_client_output(c).n;
	assert_in_range(said, 32 * 1024, 34 * 1024);
	send_all(c);
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_MORE);
	said += smtp_client_output(c).n;
	assert_true(said > SMTP_CLIENT_RECIPIENTS_MAX * sizeof orcpt);
	assert_true(bytes_equal(bytes_from(smtp_client_output(c),
	                            smtp_client_output(c).n - 8), BYTES("\r\nDATA\r\n")));
	smtp_client_free(c);
}

/* Every recipient has room for the longest reply, and all get the last one. */
static void
test_long_texts(void **state)
{
	struct envelope_recipient   many[SMTP_CLIENT_RECIPIENTS_MAX];
	struct smtp_transaction_out out = transaction;
	struct smtp_client         *c = connect("250 PIPELINING\r\n");
	char                        line[1200] = "550 ";

	(void)state;
	memset(line + 4, 'x', 1100);
	memcpy(line + 1100, "\r\n", 3);
	for (size_t i = 0; i < SMTP_CLIENT_RECIPIENTS_MAX; i++)
		many[i] = recipients[0];
	out.recipients = many;
	out.n_recipients = SMTP_CLIENT_RECIPIENTS_MAX;
	smtp_client_begin(c, &out);
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_MORE);
	feed(c, "250 ok\r\n");
	for (size_t i = 0; i < SMTP_CLIENT_RECIPIENTS_MAX; i++)
		feed(c, line);
	assert_int_equal(feed(c, "554 no\r\n"), SMTP_CLIENT_DONE);
	for (size_t i = 0; i < SMTP_CLIENT_RECIPIENTS_MAX; i++) {
		struct outcome outcome = smtp_client_outcome(c, i);

		assert_int_equal(outcome.kind, OUTCOME_FAILED);
		assert_int_equal(outcome.text.n, SMTP_CLIENT_TEXT_MAX);
	}
	smtp_client_free(c);
}

/* More than it takes: nothing is asked, nothing is said. */
static void
test_too_many_recipients(void **state)
{
	struct envelope_recipient   many[SMTP_CLIENT_RECIPIENTS_MAX + 1];
	struct smtp_transaction_out out = transaction;
	struct smtp_client         *c = connect("250 PIPELINING\r\n");

	(void)state;
	for (size_t i = 0; i <= SMTP_CLIENT_RECIPIENTS_MAX; i++)
		many[i] = recipients[0];
	out.recipients = many;
	out.n_recipients = SMTP_CLIENT_RECIPIENTS_MAX + 1;
	smtp_client_begin(c, &out);
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_CLOSE);
	assert_int_equal(smtp_client_output(c).n, 0);
	assert_int_equal(smtp_client_outcome(c, 0).kind, OUTCOME_DEFERRED);
	assert_int_equal(
	    smtp_client_outcome(c, SMTP_CLIENT_RECIPIENTS_MAX).kind, OUTCOME_DEFERRED);
	assert_true(smtp_client_is_untried(c));
	smtp_client_free(c);
}

static void
test_input_room(void **state)
{
	struct smtp_client *c = smtp_client_new(&policy);
	size_t              room = smtp_client_room(c);
	char               *blanks = malloc(room + 1);

	(void)state;
	assert_non_null(blanks);
	memset(blanks, ' ', room + 1);
	assert_true(room >= SMTP_CLIENT_LINE_MAX);
	smtp_client_feed(c, (struct bytes){ blanks, room });
	assert_int_equal(smtp_client_room(c), 0);
	smtp_client_feed(c, BYTES("x"));
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_CLOSE);
	assert_int_equal(smtp_client_fault(c), SMTP_CLIENT_FAULT_PROTOCOL);
	smtp_client_free(c);
	free(blanks);
}

/* Calls that are out of place change nothing. */
static void
test_out_of_place(void **state)
{
	struct smtp_client *c = smtp_client_new(&policy);

	(void)state;
	smtp_client_begin(c, &transaction);
	smtp_client_body(c, BYTES("text\n"), true);
	smtp_client_secured(c, true, BYTES(""));
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_MORE);
	assert_int_equal(smtp_client_output(c).n, 0);
	assert_int_equal(feed(c, "220 mx\r\n250 mx\r\n"), SMTP_CLIENT_IDLE);
	send_all(c);
	smtp_client_body(c, BYTES("text\n"), true);
	assert_int_equal(smtp_client_next(c), SMTP_CLIENT_IDLE);
	assert_int_equal(smtp_client_output(c).n, 0);
	smtp_client_timeout(c);
	smtp_client_gone(c);
	smtp_client_abort(c);
	smtp_client_quit(c);
	assert_int_equal(feed(c, "220 mx\r\n"), SMTP_CLIENT_CLOSE);
	assert_int_equal(smtp_client_fault(c), SMTP_CLIENT_FAULT_TIMEOUT);
	assert_false(smtp_client_is_untried(c));
	smtp_client_free(c);
}

/* RFC 5321 section 4.5.3.2, in parts of the time for one reply. */
static void
test_deadlines(void **state)
{
	struct smtp_client *c = smtp_client_new(&policy);

	(void)state;
	assert_int_equal(smtp_client_deadline_ms(c, 1000), 1000);
	feed(c, "220 mx\r\n");
	assert_int_equal(smtp_client_deadline_ms(c, 1000), 1000);
	feed(c, "250-mx\r\n250 starttls\r\n");
	assert_true(smtp_client_has_starttls(c));
	smtp_client_begin(c, &transaction);
	smtp_client_next(c);
	assert_int_equal(smtp_client_deadline_ms(c, 1000), 1000); /* MAIL */
	feed(c, "250 ok\r\n");
	assert_int_equal(smtp_client_deadline_ms(c, 1000), 1000); /* RCPT */
	feed(c, "250 ok\r\n");
	feed(c, "250 ok\r\n");
	assert_int_equal(smtp_client_deadline_ms(c, 1000), 500);  /* DATA */
	assert_int_equal(feed(c, "354 go\r\n"), SMTP_CLIENT_BODY);
	assert_int_equal(smtp_client_deadline_ms(c, 1000), 500);  /* blocks */
	smtp_client_body(c, BYTES("text\n"), true);
	assert_int_equal(smtp_client_deadline_ms(c, 1000), 2000); /* the final dot */
	smtp_client_free(c);
}

/* --- every run of replies to a transaction --- */

/* As they are in runs; the last of them is none: the connection is closed. */
static const char *const replies[] = { "250 ok\r\n", "354 go\r\n", "450 later\r\n",
	"550 no\r\n", "421 closing\r\n", "250x\r\n", NULL };

enum reply { ACCEPTS, GOES_ON, DEFERS, REFUSES, CLOSES, GARBLED, NOTHING, N_REPLIES };

enum { N_COMMANDS = 5 }; /* MAIL, RCPT, RCPT, DATA, the final dot */

/* What must become of each recipient, from what the RFCs say and nothing of the engine. */
struct expected {
	enum outcome_kind kinds[2];
	bool              is_settled[2];
	bool              is_untried, is_in_doubt, is_closed;
};

static bool
is_refusal(enum reply reply)
{
	return reply == DEFERS || reply == REFUSES;
}

static void
settle(struct expected *e, size_t i, enum reply reply)
{
	static const enum outcome_kind kinds[N_REPLIES] = {
		[ACCEPTS] = OUTCOME_DELIVERED,
		[DEFERS] = OUTCOME_DEFERRED,
		[REFUSES] = OUTCOME_FAILED,
	};

	if (!e->is_settled[i])
		e->kinds[i] = kinds[reply];
	e->is_settled[i] = true;
}

static void
settle_both(struct expected *e, enum reply reply)
{
	settle(e, 0, reply);
	settle(e, 1, reply);
}

static bool
is_over(const struct expected *e)
{
	return e->is_settled[0] && e->is_settled[1];
}

/* Returns whether the reply may stand there at all. */
static bool
expect_envelope(struct expected *e, const enum reply *run, bool is_pipelined)
{
	for (size_t i = 0; i < 3; i++) {
		if (i > 0 && !is_pipelined && is_over(e) && is_refusal(run[0]))
			return true; /* nothing more is said */
		if (run[i] != ACCEPTS && !is_refusal(run[i]))
			return false;
		if (is_refusal(run[i]) && i == 0)
			settle_both(e, run[i]);
		else if (is_refusal(run[i]))
			settle(e, i - 1, run[i]);
		e->is_untried = false;
	}
	return true;
}

static struct expected
expect(const enum reply *run, bool is_pipelined)
{
	struct expected e = { .is_untried = true };

	if (!expect_envelope(&e, run, is_pipelined)) {
		e.is_closed = true;
		return e;
	}
	if (is_over(&e) && !is_pipelined)
		return e;
	if (is_refusal(run[3])) {
		settle_both(&e, run[3]);
		return e;
	}
	if (run[3] != GOES_ON) {
		e.is_closed = true;
		return e;
	}
	if (run[4] == ACCEPTS || is_refusal(run[4])) {
		settle_both(&e, run[4]);
		return e;
	}
	e.is_closed = true;
	e.is_in_doubt = !is_over(&e) && run[4] != CLOSES;
	return e;
}

static void
say(struct smtp_client *c, enum reply reply)
{
	if (replies[reply] == NULL)
		smtp_client_gone(c);
	else
		smtp_client_feed(c, bytes_of(replies[reply]));
}

static void
check_run(const enum reply *run, bool is_pipelined)
{
	struct expected        e = expect(run, is_pipelined);
	struct smtp_client    *c = connect(
	    is_pipelined ? "250 PIPELINING\r\n" : "250 HELP\r\n");
	enum smtp_client_event event;
	size_t                 at = 0;

	smtp_client_begin(c, &transaction);
	while ((event = smtp_client_next(c)) != SMTP_CLIENT_DONE &&
	    event != SMTP_CLIENT_CLOSE) {
		send_all(c);
		if (event == SMTP_CLIENT_BODY)
			smtp_client_body(c, BYTES("text\n"), true);
		else if (at < N_COMMANDS)
			say(c, run[at++]);
		else
			fail_msg("it waits for more replies");
	}
	for (size_t i = 0; i < 2; i++)
		if (smtp_client_outcome(c, i).kind !=
		    (e.is_settled[i] ? e.kinds[i] : OUTCOME_DEFERRED))
			fail_msg("%d %d %d %d %d, pipelined %d: recipient %zu: %s",
			    (int)run[0], (int)run[1], (int)run[2], (int)run[3],
			    (int)run[4], is_pipelined, i,
			    outcome_name(smtp_client_outcome(c, i).kind));
	assert_int_equal(event == SMTP_CLIENT_CLOSE, e.is_closed);
	assert_int_equal(smtp_client_is_untried(c), e.is_untried && e.is_closed);
	assert_int_equal(smtp_client_is_in_doubt(c), e.is_in_doubt);
	assert_int_equal(smtp_client_transactions(c),
	    (e.is_settled[0] && e.kinds[0] == OUTCOME_DELIVERED) ||
	        (e.is_settled[1] && e.kinds[1] == OUTCOME_DELIVERED));
	smtp_client_free(c);
}

static void
test_every_run(void **state)
{
	enum reply run[N_COMMANDS];
	size_t     n = 1;

	(void)state;
	for (size_t i = 0; i < N_COMMANDS; i++)
		n *= N_REPLIES;
	for (size_t number = 0; number < n; number++) {
		size_t rest = number;

		for (size_t i = 0; i < N_COMMANDS; i++) {
			run[i] = (enum reply)(rest % N_REPLIES);
			rest /= N_REPLIES;
		}
		check_run(run, true);
		check_run(run, false);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_holds_no_memory),
		cmocka_unit_test(test_output_is_bounded),
		cmocka_unit_test(test_thousands),
		cmocka_unit_test(test_large_envelope),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_too_many_recipients),
		cmocka_unit_test(test_input_room),
		cmocka_unit_test(test_out_of_place),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_every_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
