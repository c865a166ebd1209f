/* What no transcript can show: the driver's side, memory, trouble; and every short session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/pop3_server.h"

enum { LIST_MAX = 64 * 1024 * 1024, N_MESSAGES = 3 };

#define GREETING "+OK mx.example POP3\r\n"
#define ENTERED  "+OK and the password?\r\n+OK logged in\r\n"

static const struct pop3_policy policy = {
	.hostname = BYTES_INIT("mx.example"),
	.errors_max = 20,
};

static struct buf list; /* of N_MESSAGES, 10, 20, 30 octets */

static void
add_message(struct buf *b, uint64_t octets, const char *uid)
{
	struct maildrop_message message = { octets, bytes_of(uid) };

	maildrop_add(b, &message);
}

static int
make_list(void **state)
{
	(void)state;
	buf_init(&list, LIST_MAX);
	add_message(&list, 10, "uid-one");
	add_message(&list, 20, "uid-two");
	add_message(&list, 30, "uid-three");
	return list.failed;
}

static int
drop_list(void **state)
{
	(void)state;
	buf_finish(&list);
	return 0;
}

static void
begin(struct pop3_server *s)
{
	pop3_server_init(s, &policy);
	pop3_server_greet(s);
	pop3_server_sent(s, pop3_server_output(s).n);
}

static enum pop3_event
feed(struct pop3_server *s, const char *input)
{
	pop3_server_feed(s, bytes_of(input));
	return pop3_server_next(s);
}

static void
expect_output(struct pop3_server *s, const char *output)
{
	struct bytes got = pop3_server_output(s);

	if (!bytes_equal(got, bytes_of(output)))
		fail_msg("expected: %s\ngot: %.*s", output, BYTES_ARG(got));
	pop3_server_sent(s, got.n);
}

/* Up to the question. */
static void
begin_login(struct pop3_server *s)
{
	begin(s);
	assert_int_equal(
	    feed(s, "USER alice\r\nPASS wonder land\r\n"), POP3_ASK_LOGIN);
}

static void
log_in(struct pop3_server *s)
{
	begin_login(s);
	pop3_server_answer_login(
	    s, POP3_LOGIN_OK, buf_bytes(&list), N_MESSAGES);
	assert_int_equal(pop3_server_next(s), POP3_MORE);
	expect_output(s, ENTERED);
}

/* In the text of message 2, "+OK" sent. */
static void
begin_message(struct pop3_server *s)
{
	log_in(s);
	assert_int_equal(feed(s, "DELE 1\r\nRETR 2\r\n"), POP3_ASK_MESSAGE);
	pop3_server_answer_message(s, true);
	assert_int_equal(pop3_server_next(s), POP3_ASK_TEXT);
	expect_output(s, "+OK deleted, once you QUIT\r\n+OK 20 octets\r\n");
}

static void
test_greeting(void **state)
{
	struct pop3_server s;

	(void)state;
	pop3_server_init(&s, &policy);
	assert_int_equal(feed(&s, "QUIT\r\n"), POP3_WAIT);
	expect_output(&s, "");
	pop3_server_greet(&s);
	pop3_server_greet(&s);
	expect_output(&s, GREETING);
	assert_int_equal(pop3_server_next(&s), POP3_CLOSE);
	expect_output(&s, "+OK bye\r\n");
	pop3_server_greet(&s);
	expect_output(&s, "");
	pop3_server_finish(&s);
}

static void
test_refuse(void **state)
{
	static const struct {
		struct bytes text;
		const char  *output;
	} rows[] = {
		{ BYTES_INIT("too many connections"),
		    "-ERR [SYS/TEMP] too many connections\r\n" },
		{ BYTES_INIT("two\r\n+OK lines\x80"),
		    "-ERR [SYS/TEMP] two +OK lines?\r\n" },
		{ { NULL, 0 }, "-ERR [SYS/TEMP] \r\n" },
	};
	struct pop3_server s;
	char               text[2000];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		pop3_server_init(&s, &policy);
		pop3_server_refuse(&s, rows[i].text);
		assert_int_equal(feed(&s, "QUIT\r\n"), POP3_CLOSE);
		expect_output(&s, rows[i].output);
		pop3_server_finish(&s);
	}
	memset(text, 'x', sizeof text);
	pop3_server_init(&s, &policy);
	pop3_server_refuse(&s, (struct bytes){ text, sizeof text });
	assert_in_range(pop3_server_output(&s).n, 400, 512);
	pop3_server_finish(&s);
}

static void
test_login_question(void **state)
{
	struct pop3_server s;

	(void)state;
	begin_login(&s);
	assert_true(bytes_equal(pop3_server_user(&s), BYTES("alice")));
	assert_true(bytes_equal(pop3_server_password(&s), BYTES("wonder land")));
	assert_false(pop3_server_is_logged_in(&s));
	assert_int_equal(pop3_server_next(&s), POP3_WAIT);
	assert_int_equal(feed(&s, "STAT\r\n"), POP3_WAIT);
	/* an answer to another question is nobody's */
	pop3_server_answer_message(&s, true);
	pop3_server_answer_update(&s, 0);
	pop3_server_text(&s, BYTES("text"), true);
	pop3_server_text_failed(&s);
	assert_int_equal(pop3_server_next(&s), POP3_WAIT);
	expect_output(&s, "+OK and the password?\r\n");
	pop3_server_answer_login(
	    &s, POP3_LOGIN_OK, buf_bytes(&list), N_MESSAGES);
	assert_true(pop3_server_is_logged_in(&s));
	assert_int_equal(pop3_server_password(&s).n, 0);
	/* a second answer is one too many */
	pop3_server_answer_login(&s, POP3_LOGIN_NO, BYTES(""), 0);
	assert_int_equal(pop3_server_next(&s), POP3_MORE);
	expect_output(&s, "+OK logged in\r\n+OK 3 60\r\n");
	pop3_server_finish(&s);
}

/* Nothing that was there is left in the memory of the session. */
static bool
holds(const struct buf *b, const char *secret)
{
	return b->p != NULL && memmem(b->p, b->cap, secret, strlen(secret)) != NULL;
}

static void
test_password_is_wiped(void **state)
{
	static const struct {
		const char *input, *secret;
	} rows[] = {
		{ "USER alice\r\nPASS wonder land\r\nNOOP\r\nNOOP\r\nNO", "wonder" },
		{ "AUTH PLAIN AGFsaWNlAHdvbmRlciBsYW5k\r\nNOOP\r\nNO", "HdvbmR" },
		{ "AUTH PLAIN\r\nAGFsaWNlAHdvbmRlciBsYW5k\r\nNOOP\r\nNO", "HdvbmR" },
	};
	static const enum pop3_login answers[] = { POP3_LOGIN_OK, POP3_LOGIN_NO,
		POP3_LOGIN_TRY_LATER };
	struct pop3_server s;

	(void)state;
	for (size_t i = 0; i < 3 * sizeof rows / sizeof *rows; i++) {
		begin(&s);
		assert_int_equal(feed(&s, rows[i / 3].input), POP3_ASK_LOGIN);
		assert_true(bytes_equal(
		    pop3_server_password(&s), BYTES("wonder land")));
		assert_true(s.in.len > 0);
		assert_false(holds(&s.in, rows[i / 3].secret));
		pop3_server_answer_login(
		    &s, answers[i % 3], buf_bytes(&list), N_MESSAGES);
		assert_null(s.password.p);
		assert_null(s.sasl.password.p);
		assert_int_equal(pop3_server_next(&s), POP3_MORE);
		pop3_server_finish(&s);
	}
}

static void
test_update(void **state)
{
	struct pop3_server s;

	(void)state;
	log_in(&s);
	assert_int_equal(
	    feed(&s, "DELE 1\r\nDELE 3\r\nQUIT\r\nRSET\r\n"), POP3_ASK_UPDATE);
	assert_true(pop3_server_is_deleted(&s, 1));
	assert_false(pop3_server_is_deleted(&s, 2));
	assert_true(pop3_server_is_deleted(&s, 3));
	assert_int_equal(pop3_server_deleted_count(&s), 2);
	assert_int_equal(pop3_server_next(&s), POP3_WAIT);
	pop3_server_shutdown(&s); /* QUIT was said: it goes on */
	assert_int_equal(pop3_server_next(&s), POP3_WAIT);
	pop3_server_answer_update(&s, 0);
	assert_int_equal(pop3_server_next(&s), POP3_CLOSE);
	assert_int_equal(pop3_server_next(&s), POP3_CLOSE);
	expect_output(&s, "+OK deleted, once you QUIT\r\n"
			  "+OK deleted, once you QUIT\r\n+OK bye\r\n");
	assert_false(pop3_server_is_logged_in(&s));
	pop3_server_finish(&s);
}

static void
test_text(void **state)
{
	struct pop3_server s;

	(void)state;
	begin_message(&s);
	assert_int_equal(pop3_server_number(&s), 2);
	pop3_server_feed(&s, BYTES("NOOP\r\n"));
	pop3_server_text(&s, BYTES("H: 1\n\n"), false);
	assert_int_equal(pop3_server_next(&s), POP3_ASK_TEXT);
	expect_output(&s, "H: 1\r\n\r\n");
	pop3_server_text(&s, BYTES(""), true);
	assert_int_equal(pop3_server_next(&s), POP3_MESSAGE_DONE);
	assert_int_equal(pop3_server_next(&s), POP3_MORE);
	expect_output(&s, ".\r\n+OK done nothing\r\n");
	pop3_server_text(&s, BYTES("more\n"), true);
	expect_output(&s, "");
	pop3_server_finish(&s);
}

/* TOP has enough before the message ends. */
static void
test_top_is_done_early(void **state)
{
	struct pop3_server s;

	(void)state;
	log_in(&s);
	assert_int_equal(feed(&s, "TOP 1 0\r\n"), POP3_ASK_MESSAGE);
	pop3_server_answer_message(&s, true);
	assert_int_equal(pop3_server_next(&s), POP3_ASK_TEXT);
	pop3_server_text(&s, BYTES("H: 1\n\nbody\n"), false);
	assert_int_equal(pop3_server_next(&s), POP3_MESSAGE_DONE);
	assert_int_equal(pop3_server_next(&s), POP3_MORE);
	expect_output(&s, "+OK the top follows\r\nH: 1\r\n\r\n.\r\n");
	pop3_server_finish(&s);
}

/* The worst text doubles; there is room for it, and then it has to go out. */
static void
test_output_is_bounded(void **state)
{
	static char        lines[POP3_TEXT_MAX];
	struct pop3_server s;
	size_t             largest = 0;

	(void)state;
	memset(lines, '\n', sizeof lines);
	begin_message(&s);
	for (int i = 0; i < 20; i++) {
		pop3_server_text(
		    &s, (struct bytes){ lines, sizeof lines }, i == 19);
		if (i == 19)
			assert_int_equal(pop3_server_next(&s), POP3_MESSAGE_DONE);
		assert_int_equal(pop3_server_next(&s), POP3_FLUSH);
		if (pop3_server_output(&s).n > largest)
			largest = pop3_server_output(&s).n;
		/* what is left may wait for the next piece */
		pop3_server_sent(
		    &s, pop3_server_output(&s).n - (POP3_OUTPUT_HIGH - 1));
		assert_int_equal(
		    pop3_server_next(&s), i < 19 ? POP3_ASK_TEXT : POP3_MORE);
	}
	assert_in_range(largest, 2 * POP3_TEXT_MAX, s.out.max);
	pop3_server_finish(&s);
}

/* More than a piece may bring, on top of what waits: no half of it goes out. */
static void
test_too_much_text(void **state)
{
	static char        lines[4 * POP3_TEXT_MAX];
	struct pop3_server s;

	(void)state;
	memset(lines, '\n', sizeof lines);
	begin_message(&s);
	pop3_server_text(&s, (struct bytes){ lines, sizeof lines }, true);
	assert_int_equal(pop3_server_next(&s), POP3_MESSAGE_DONE);
	assert_int_equal(pop3_server_next(&s), POP3_CLOSE);
	expect_output(&s, "");
	pop3_server_finish(&s);
}

/* Many messages are told in pieces, and can all be deleted. */
static void
test_large_maildrop(void **state)
{
	static const size_t n = 20000;
	struct pop3_server  s;
	struct buf          large, said, wanted;
	enum pop3_event     event;

	(void)state;
	buf_init(&large, LIST_MAX);
	buf_init(&said, LIST_MAX);
	buf_init(&wanted, LIST_MAX);
	buf_add_string(&wanted, ENTERED "+OK the list follows\r\n");
	for (size_t i = 1; i <= n; i++) {
		add_message(&large, MAILDROP_OCTETS_MAX, "u");
		buf_addf(&wanted, "%zu u\r\n", i);
	}
	buf_add_string(&wanted, ".\r\n+OK 20000 21990232555520000\r\n");
	begin_login(&s);
	pop3_server_answer_login(&s, POP3_LOGIN_OK, buf_bytes(&large), n);
	pop3_server_feed(&s, BYTES("UIDL\r\nSTAT\r\n"));
	while ((event = pop3_server_next(&s)) == POP3_FLUSH) {
		assert_true(pop3_server_output(&s).n <= POP3_OUTPUT_HIGH + 512);
		buf_add_bytes(&said, pop3_server_output(&s));
		pop3_server_sent(&s, pop3_server_output(&s).n);
	}
	assert_int_equal(event, POP3_MORE);
	buf_add_bytes(&said, pop3_server_output(&s));
	pop3_server_sent(&s, pop3_server_output(&s).n);
	assert_true(bytes_equal(buf_bytes(&said), buf_bytes(&wanted)));
	for (size_t i = n; i > 0; i--) {
		buf_clear(&said);
		buf_addf(&said, "DELE %zu\r\n", i);
		assert_int_equal(feed(&s, buf_string(&said)), POP3_MORE);
		pop3_server_sent(&s, pop3_server_output(&s).n);
	}
	assert_int_equal(pop3_server_deleted_count(&s), n);
	assert_int_equal(feed(&s, "STAT\r\nLIST\r\n"), POP3_MORE);
	expect_output(&s, "+OK 0 0\r\n+OK the list follows\r\n.\r\n");
	pop3_server_finish(&s);
	buf_finish(&large);
	buf_finish(&said);
	buf_finish(&wanted);
}

static void
test_idle_holds_no_memory(void **state)
{
	struct pop3_server s;

	(void)state;
	log_in(&s);
	assert_null(s.in.p);
	assert_null(s.out.p);
	assert_null(s.user.p);
	assert_null(s.maildrop.deleted);
	assert_int_equal(feed(&s, "LIST 1\r\n"), POP3_MORE);
	expect_output(&s, "+OK 1 10\r\n");
	assert_null(s.in.p);
	assert_null(s.out.p);
	pop3_server_finish(&s);
	pop3_server_finish(&s); /* calmly */
}

static void
test_input_room(void **state)
{
	static char        blanks[POP3_INPUT_MAX + 1];
	struct pop3_server s;

	(void)state;
	memset(blanks, ' ', sizeof blanks);
	begin_login(&s);
	assert_int_equal(pop3_server_room(&s), POP3_INPUT_MAX);
	pop3_server_feed(&s, (struct bytes){ blanks, POP3_INPUT_MAX });
	assert_int_equal(pop3_server_room(&s), 0);
	assert_int_equal(pop3_server_next(&s), POP3_WAIT);
	pop3_server_feed(&s, BYTES("x"));
	assert_int_equal(pop3_server_next(&s), POP3_CLOSE);
	pop3_server_finish(&s);
	begin(&s);
	pop3_server_feed(&s, (struct bytes){ blanks, POP3_INPUT_MAX + 1 });
	assert_int_equal(pop3_server_next(&s), POP3_CLOSE);
	pop3_server_finish(&s);
}

/* --- how a session ends without QUIT --- */

static void
test_ends_without_a_word(void **state)
{
	static void (*const ends[])(struct pop3_server *) = {
		pop3_server_timeout,
		pop3_server_gone,
		pop3_server_shutdown,
	};
	struct pop3_server s;

	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		log_in(&s);
		assert_int_equal(feed(&s, "DELE 1\r\n"), POP3_MORE);
		pop3_server_sent(&s, pop3_server_output(&s).n);
		ends[i](&s);
		assert_int_equal(feed(&s, "QUIT\r\n"), POP3_CLOSE);
		expect_output(&s, "");
		pop3_server_finish(&s);
	}
}

static void
test_ends_in_a_message(void **state)
{
	static void (*const ends[])(struct pop3_server *) = {
		pop3_server_timeout,
		pop3_server_gone,
		pop3_server_text_failed,
	};
	struct pop3_server s;

	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		begin_message(&s);
		pop3_server_text(&s, BYTES("H: 1\n"), false);
		ends[i](&s);
		assert_int_equal(feed(&s, "QUIT\r\n"), POP3_MESSAGE_DONE);
		assert_int_equal(pop3_server_next(&s), POP3_CLOSE);
		expect_output(&s, ends[i] == pop3_server_gone ? "" : "H: 1\r\n");
		pop3_server_finish(&s);
	}
}

/* A message in flight is not torn; then the session ends. */
static void
test_shutdown_in_a_message(void **state)
{
	struct pop3_server s;

	(void)state;
	begin_message(&s);
	pop3_server_shutdown(&s);
	assert_int_equal(feed(&s, "QUIT\r\n"), POP3_ASK_TEXT);
	pop3_server_text(&s, BYTES("H: 1\n"), true);
	assert_int_equal(pop3_server_next(&s), POP3_MESSAGE_DONE);
	assert_int_equal(pop3_server_next(&s), POP3_CLOSE);
	expect_output(&s, "H: 1\r\n.\r\n");
	pop3_server_finish(&s);
}

static void
test_gone_with_a_question(void **state)
{
	struct pop3_server s;

	(void)state;
	begin_login(&s);
	pop3_server_gone(&s);
	assert_int_equal(pop3_server_password(&s).n, 0);
	pop3_server_answer_login(
	    &s, POP3_LOGIN_OK, buf_bytes(&list), N_MESSAGES);
	assert_int_equal(pop3_server_next(&s), POP3_CLOSE);
	assert_false(pop3_server_is_logged_in(&s));
	pop3_server_finish(&s);

	log_in(&s);
	assert_int_equal(feed(&s, "RETR 1\r\n"), POP3_ASK_MESSAGE);
	pop3_server_gone(&s);
	pop3_server_answer_message(&s, true);
	assert_int_equal(pop3_server_next(&s), POP3_CLOSE);
	expect_output(&s, "");
	pop3_server_finish(&s);

	log_in(&s);
	assert_int_equal(feed(&s, "QUIT\r\n"), POP3_ASK_UPDATE);
	pop3_server_gone(&s);
	pop3_server_answer_update(&s, 0);
	assert_int_equal(pop3_server_next(&s), POP3_CLOSE);
	expect_output(&s, "");
	pop3_server_finish(&s);
}

/* --- every session of up to four commands --- */

static const char *const commands[] = { "CAPA", "USER alice", "PASS wonder land",
	"PASS wrong", "AUTH PLAIN AGFsaWNlAHdvbmRlciBsYW5k", "STAT", "RETR 1", "DELE 1",
	"RSET", "NOOP", "QUIT", "UIDL" };

enum { N_COMMANDS = sizeof commands / sizeof *commands, SESSION_MAX = 4 };

/* What RFC 1939 says of a session, so far as it matters. */
struct model {
	bool has_user, is_in, has_deleted, has_quit;
	int  refused;
};

static bool
is(const char *command, const char *verb)
{
	return strncmp(command, verb, strlen(verb)) == 0;
}

/* Whether that command may make the engine ask whose maildrop it is. */
static bool
asks_login(const struct model *m, const char *command)
{
	return !m->is_in && (is(command, "AUTH") || (is(command, "PASS") && m->has_user));
}

static void
check_login(struct pop3_server *s, struct model *m, const char *command)
{
	bool is_right = bytes_equal(pop3_server_password(s), BYTES("wonder land"));

	assert_true(asks_login(m, command));
	m->has_user = false;
	m->is_in = is_right;
	m->refused += !is_right;
	pop3_server_answer_login(s, is_right ? POP3_LOGIN_OK : POP3_LOGIN_NO,
	    buf_bytes(&list), N_MESSAGES);
}

/* Gives every answer that is asked for, and checks that it may be asked for now. */
static void
drive(struct pop3_server *s, struct model *m, const char *command)
{
	enum pop3_event event;

	while ((event = pop3_server_next(s)) != POP3_MORE && event != POP3_CLOSE) {
		if (event == POP3_ASK_LOGIN) {
			check_login(s, m, command);
		} else if (event == POP3_ASK_MESSAGE) {
			assert_true(m->is_in && is(command, "RETR") && !m->has_deleted);
			pop3_server_answer_message(s, true);
		} else if (event == POP3_ASK_TEXT) {
			pop3_server_text(s, BYTES("mail data\n"), true);
		} else if (event == POP3_ASK_UPDATE) {
			assert_true(m->is_in && is(command, "QUIT"));
			assert_true(pop3_server_is_deleted(s, 1) == m->has_deleted);
			assert_int_equal(pop3_server_deleted_count(s), m->has_deleted);
			pop3_server_answer_update(s, 0);
		} else {
			assert_int_equal(event, POP3_MESSAGE_DONE);
		}
	}
	if (event == POP3_CLOSE)
		m->has_quit = true;
	assert_int_equal(event == POP3_CLOSE, is(command, "QUIT") || m->refused == 3);
}

/* What must not be said before a login. */
static const char *const secrets[] = { "mail data", "uid-", "octets", "60", " 3" };

static void
check_command(struct pop3_server *s, struct model *m, const char *command)
{
	bool         was_in = m->is_in;
	struct bytes out;

	pop3_server_feed(s, bytes_of(command));
	pop3_server_feed(s, BYTES("\r\n"));
	drive(s, m, command);
	out = pop3_server_output(s);
	assert_true(bytes_start(out, BYTES("+OK")) || bytes_start(out, BYTES("-ERR ")));
	for (size_t i = 0; i < sizeof secrets / sizeof *secrets && !was_in; i++)
		assert_null(memmem(out.p, out.n, secrets[i], strlen(secrets[i])));
	if (!was_in)
		assert_true(bytes_start(out, BYTES("+OK")) ==
		    (m->is_in || is(command, "CAPA") || is(command, "USER") ||
		        is(command, "QUIT")));
	if (is(command, "USER") && !was_in)
		m->has_user = true;
	if (was_in && (is(command, "DELE") || is(command, "RSET")))
		m->has_deleted = is(command, "DELE");
	pop3_server_sent(s, out.n);
}

static void
check_session(unsigned code, int n)
{
	struct pop3_server s;
	struct model       m = { .refused = 0 };

	begin(&s);
	for (int i = 0; i < n && !m.has_quit; i++) {
		check_command(&s, &m, commands[code % N_COMMANDS]);
		assert_int_equal(pop3_server_is_logged_in(&s), m.is_in && !m.has_quit);
		code /= N_COMMANDS;
	}
	pop3_server_finish(&s);
}

static void
test_every_short_session(void **state)
{
	unsigned sessions = 1;

	(void)state;
	for (int n = 1; n <= SESSION_MAX; n++) {
		sessions *= N_COMMANDS;
		for (unsigned code = 0; code < sessions; code++)
			check_session(code, n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeting),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_login_question),
		cmocka_unit_test(test_password_is_wiped),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_top_is_done_early),
		cmocka_unit_test(test_output_is_bounded),
		cmocka_unit_test(test_too_much_text),
		cmocka_unit_test(test_large_maildrop),
		cmocka_unit_test(test_idle_holds_no_memory),
		cmocka_unit_test(test_input_room),
		cmocka_unit_test(test_ends_without_a_word),
		cmocka_unit_test(test_ends_in_a_message),
		cmocka_unit_test(test_shutdown_in_a_message),
		cmocka_unit_test(test_gone_with_a_question),
		cmocka_unit_test(test_every_short_session),
	};

	return cmocka_run_group_tests(tests, make_list, drop_list);
}
