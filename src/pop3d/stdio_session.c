#include "pop3d/stdio_session.h"

#include <string.h>

#include "io/clock.h"
#include "io/stdio.h"
#include "pop3d/journal.h"
#include "pop3d/stdio_inside.h"

enum {
	TIMEOUT_MS = 10 * 60 * 1000, /* RFC 1939 section 3 */
	ERRORS_MAX = 20,
	USER_MAX = POP3_INPUT_MAX,
};

/* --- the client --- */

static uint64_t
deadline_ms(void)
{
	return clock_monotonic_ms() + TIMEOUT_MS;
}

/* False: he is gone. */
static bool
flush(struct stdio_session *s)
{
	struct bytes output = pop3_server_output(&s->pop3);
	bool         is_sent = stdio_write(output, deadline_ms()) == STDIO_OK;

	pop3_server_sent(&s->pop3, output.n);
	if (!is_sent)
		pop3_server_gone(&s->pop3);
	return is_sent;
}

static void
receive(struct stdio_session *s)
{
	char   piece[4096];
	size_t room = pop3_server_room(&s->pop3);
	size_t size = room < sizeof piece ? room : sizeof piece;
	size_t n;

	switch (stdio_read(piece, size, deadline_ms(), &n)) {
	case STDIO_OK:
		pop3_server_feed(&s->pop3, (struct bytes){ piece, n });
		break;
	case STDIO_LATE:
		pop3_server_timeout(&s->pop3);
		break;
	case STDIO_GONE:
		pop3_server_gone(&s->pop3);
		break;
	}
	explicit_bzero(piece, sizeof piece); /* it may have held a password */
}

/* --- questions --- */

/* What was said before is heard before: checking takes its time. */
static void
ask_login(struct stdio_session *s)
{
	enum pop3_login answer;

	if (!flush(s))
		return;
	answer = stdio_login(s);
	pop3_server_answer_login(&s->pop3, answer,
	    answer == POP3_LOGIN_OK ? s->drop.list : BYTES(""),
	    answer == POP3_LOGIN_OK ? s->drop.n_messages : 0);
}

static void
ask_message(struct stdio_session *s)
{
	bool is_open = stdio_drop_message(&s->drop, pop3_server_number(&s->pop3));

	if (is_open)
		s->n_fetched++;
	pop3_server_answer_message(&s->pop3, is_open);
}

static void
give_text(struct stdio_session *s)
{
	static char piece[POP3_TEXT_MAX];
	bool        is_end = false;
	ssize_t     n = drop_read(s->drop.drop, piece, sizeof piece, &is_end);

	if (n == -1) {
		pop3_server_text_failed(&s->pop3);
		return;
	}
	s->octets_fetched += (uint64_t)n;
	pop3_server_text(&s->pop3, (struct bytes){ piece, (size_t)n }, is_end);
}

/* QUIT came: it is done though the client may be gone by now. */
static void
ask_update(struct stdio_session *s)
{
	size_t failed;

	for (size_t i = 1; i <= s->drop.n_messages; i++)
		if (pop3_server_is_deleted(&s->pop3, i))
			drop_remove(s->drop.drop, i);
	failed = stdio_drop_update(&s->drop);
	s->n_removed = pop3_server_deleted_count(&s->pop3) - failed;
	pop3_server_answer_update(&s->pop3, failed);
}

/* --- the story --- */

static void
run(struct stdio_session *s)
{
	for (;;)
		switch (pop3_server_next(&s->pop3)) {
		case POP3_ASK_LOGIN:
			ask_login(s);
			break;
		case POP3_ASK_MESSAGE:
			ask_message(s);
			break;
		case POP3_ASK_TEXT:
			give_text(s);
			break;
		case POP3_MESSAGE_DONE: /* it may be wanted again: TOP, then RETR */
			break;
		case POP3_ASK_UPDATE:
			ask_update(s);
			break;
		case POP3_FLUSH:
			flush(s);
			break;
		case POP3_WAIT: /* no question stays open here */
		case POP3_MORE:
			if (flush(s))
				receive(s);
			break;
		case POP3_CLOSE:
			if (flush(s))
				stdio_linger();
			return;
		}
}

static void
log_session(const struct stdio_session *s)
{
	const struct journal_session session = {
		.peer = s->setting->peer,
		.user = buf_bytes(&s->user),
		.tls = BYTES("outside"),
		.n_messages = s->drop.n_messages,
		.n_fetched = s->n_fetched,
		.octets_fetched = s->octets_fetched,
		.n_removed = s->n_removed,
		.n_failed = s->drop.n_failed,
		.ms = clock_monotonic_ms() - s->began_ms,
	};

	journal_session(&session);
}

void
stdio_session(const struct stdio_setting *setting)
{
	struct stdio_session s = {
		.setting = setting,
		.policy = { setting->hostname, ERRORS_MAX },
		.checker = { .argv = setting->checker },
		.began_ms = clock_monotonic_ms(),
	};

	buf_init(&s.user, USER_MAX);
	pop3_server_init(&s.pop3, &s.policy);
	if (stdio_drop_init(&s.drop)) {
		pop3_server_greet(&s.pop3);
		run(&s);
		if (s.drop.is_listed)
			log_session(&s);
		stdio_drop_finish(&s.drop);
	} else {
		pop3_server_refuse(&s.pop3, BYTES("mail server cannot answer now"));
		flush(&s);
	}
	pop3_server_finish(&s.pop3);
	buf_finish(&s.user);
}
