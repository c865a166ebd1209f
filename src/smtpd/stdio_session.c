#include "smtpd/stdio_session.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/log.h"
#include "io/stdio.h"
#include "smtpd/journal.h"
#include "smtpd/stdio_commit.h"

enum { WHY_MAX = 512, INPUT_PIECE = 8 * 1024, WRONG_MAX = 2 };

/* --- questions --- */

/* Programs that come behind us look there for who it is, as for one of tcpserver's. */
static void
tell_user(struct bytes user)
{
	char name[SASL_USER_MAX + 1];

	if (bytes_to_string(user, name, sizeof name))
		setenv("TCPREMOTEINFO", name, 1);
}

/* Who guesses passwords waits: one second, two, then four each time. */
static void
slow_down(struct stdio_session *s)
{
	poll(NULL, 0, 1000 << s->n_wrong);
	if (s->n_wrong < WRONG_MAX)
		s->n_wrong++;
}

static void
ask_auth(struct stdio_session *s)
{
	static const enum smtp_auth_answer answers[] = {
		[PASSWORD_NO] = SMTP_AUTH_NO,
		[PASSWORD_YES] = SMTP_AUTH_YES,
		[PASSWORD_TRY_LATER] = SMTP_AUTH_TRY_LATER,
	};
	char                 why[WHY_MAX] = "";
	struct bytes         user = smtp_server_user(&s->smtp);
	enum password_answer answer = checker_ask(&s->checker, user,
	    smtp_server_password(&s->smtp), why, sizeof why);

	if (answer == PASSWORD_TRY_LATER)
		log_text("%s", why);
	if (answer == PASSWORD_NO)
		slow_down(s);
	if (answer == PASSWORD_YES)
		tell_user(user);
	smtp_server_answer_auth(&s->smtp, answers[answer], user);
}

static void
ask_recipient(struct stdio_session *s)
{
	smtp_server_answer_recipient(&s->smtp, stdio_recipients_ask(&s->recipients,
	    smtp_server_envelope(&s->smtp)->reverse_path,
	    smtp_server_recipient(&s->smtp)));
}

/* --- the message --- */

static void
open_message(struct stdio_session *s)
{
	uint64_t  now = clock_now_ms();
	uint8_t   random[ID_RANDOM];
	struct id id;

	if (!message_open(&s->message, &s->memory)) {
		smtp_server_answer_data(&s->smtp, NULL, 0);
		return;
	}
	random_fill(random, sizeof random);
	id = id_make(now, random);
	smtp_server_answer_data(&s->smtp, &id, now);
}

static void
store_body(struct stdio_session *s)
{
	if (!message_add(&s->message, smtp_server_body(&s->smtp)))
		smtp_server_body_failed(&s->smtp);
}

/* --- input and output --- */

static uint64_t
smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void
renew_deadline(struct stdio_session *s)
{
	s->deadline_ms = smaller(clock_monotonic_ms() + s->timeout_ms, s->end_ms);
}

/* False: whoever does not listen is gone. */
static bool
flush(struct stdio_session *s)
{
	struct bytes output = smtp_server_output(&s->smtp);
	bool         is_sent;

	if (output.n == 0)
		return true;
	renew_deadline(s);
	is_sent = stdio_write(output, s->deadline_ms) == STDIO_OK;
	if (is_sent)
		smtp_server_sent(&s->smtp, output.n);
	else
		smtp_server_gone(&s->smtp);
	renew_deadline(s);
	return is_sent;
}

static void
read_input(struct stdio_session *s)
{
	char   piece[INPUT_PIECE];
	size_t room = smtp_server_room(&s->smtp), n;

	stdio_recipients_rest(&s->recipients);
	switch (stdio_read(piece, room < sizeof piece ? room : sizeof piece,
	    s->deadline_ms, &n)) {
	case STDIO_OK:
		smtp_server_feed(&s->smtp, (struct bytes){ piece, n });
		if (smtp_server_is_in_data(&s->smtp))
			renew_deadline(s);
		break;
	case STDIO_LATE:
		smtp_server_timeout(&s->smtp);
		break;
	case STDIO_GONE:
		smtp_server_gone(&s->smtp);
		break;
	}
	explicit_bzero(piece, sizeof piece); /* a password may have come */
}

/* --- the story --- */

static void
on_refused(const struct smtp_refusal *refusal, void *context)
{
	struct stdio_session *s = context;

	if (!journal_is_worth(refusal) || s->n_refusals >= REFUSALS_LOGGED)
		return;
	s->n_refusals++;
	journal_refusal(s->peer.address, smtp_server_authenticated(&s->smtp), refusal);
}

/*
 * Until the engine has nothing more to do, and nothing more to say. What other programs are
 * asked takes its time: what was said before is heard before.
 */
static void
pump(struct stdio_session *s)
{
	for (;;)
		switch (smtp_server_next(&s->smtp)) {
		case SMTP_ASK_AUTH:
			if (flush(s))
				ask_auth(s);
			break;
		case SMTP_ASK_SENDER: /* never: a user may send as anybody */
			smtp_server_answer_sender(&s->smtp, SMTP_SENDER_OWN);
			break;
		case SMTP_ASK_RECIPIENT:
			ask_recipient(s);
			break;
		case SMTP_ASK_DATA:
			open_message(s);
			break;
		case SMTP_BODY:
			store_body(s);
			break;
		case SMTP_COMMIT:
			if (flush(s))
				stdio_commit(s);
			break;
		case SMTP_DISCARD:
			message_drop(&s->message);
			break;
		case SMTP_FLUSH:
			flush(s);
			break;
		case SMTP_MORE:
			if (flush(s))
				read_input(s);
			break;
		case SMTP_HANDSHAKE: /* never: STARTTLS is not offered */
		case SMTP_WAIT:      /* never: answers come at once */
			smtp_server_gone(&s->smtp);
			break;
		case SMTP_CLOSE:
			flush(s);
			return;
		}
}

static void
begin(struct stdio_session *s)
{
	const uint64_t size_max = s->peer.has_size_max ? s->peer.size_max
	                                               : s->policy.size_max;

	message_init(&s->message);
	s->end_ms = clock_monotonic_ms() + s->session_timeout_ms;
	renew_deadline(s);
	smtp_server_init(&s->smtp, &s->policy, s->peer.address, s->peer.name,
	    s->peer.is_inside);
	smtp_server_watch(&s->smtp, on_refused, s);
	smtp_server_grant(&s->smtp, s->peer.suffix, size_max);
	if (s->policy.tls == LISTENER_TLS)
		smtp_server_secured(&s->smtp, BYTES("TLS outside"));
	smtp_server_greet(&s->smtp);
}

void
stdio_session_run(struct stdio_session *s)
{
	begin(s);
	pump(s);
	stdio_linger();
	stdio_recipients_rest(&s->recipients);
	message_drop(&s->message);
	smtp_server_finish(&s->smtp);
}
