#include "proto/pop3_server.h"

#include "proto/pop3_server_private.h"

#include <inttypes.h>
#include <string.h>

#include "base/printable.h"

/* RFC 2449 section 4: octets of a reply line, CRLF included. */
enum { REPLY_MAX = 512, REFUSAL_TEXT_MAX = 400 };

/* One step on top of what asks to be sent, which nothing but text makes large. */
enum { OUTPUT_MAX = POP3_OUTPUT_HIGH + 2 * POP3_TEXT_MAX + 2 * REPLY_MAX };

void
pop3_server_init(struct pop3_server *s, const struct pop3_policy *policy)
{
	*s = (struct pop3_server){ .policy = policy };
	buf_init(&s->in, POP3_INPUT_MAX);
	buf_init(&s->out, OUTPUT_MAX);
	buf_init(&s->user, SASL_USER_MAX);
	buf_init(&s->password, SASL_PASSWORD_MAX);
}

static void
release_input(struct pop3_server *s)
{
	buf_wipe(&s->in);
	s->in_used = 0;
}

void
pop3_server_finish(struct pop3_server *s)
{
	pop3_login_forget(s);
	pop3_maildrop_finish(&s->maildrop);
	release_input(s);
	buf_finish(&s->out);
}

static void
reply(struct pop3_server *s, const char *indicator, const char *text)
{
	buf_add_string(&s->out, indicator);
	buf_add_string(&s->out, text);
	buf_add_string(&s->out, "\r\n");
}

void
pop3_server_accept(struct pop3_server *s, const char *text)
{
	reply(s, "+OK ", text);
}

void
pop3_server_reject(struct pop3_server *s, const char *text)
{
	reply(s, "-ERR ", text);
}

void
pop3_server_blame(struct pop3_server *s, const char *text)
{
	pop3_server_reject(s, text);
	s->errors++;
}

void
pop3_server_ask(struct pop3_server *s, enum pop3_question question)
{
	s->question = (int)question;
	s->is_asked = false;
}

static void
end_message(struct pop3_server *s)
{
	s->done_due |= s->has_message;
	s->has_message = false;
}

void
pop3_server_end(struct pop3_server *s)
{
	end_message(s);
	pop3_login_forget(s);
	s->question = POP3_NO_QUESTION;
	s->state = POP3_STATE_CLOSING;
}

/* --- how a session begins and ends --- */

/* RFC 1939 section 7: whoever shows a <...> here offers APOP. */
void
pop3_server_greet(struct pop3_server *s)
{
	if (s->state != POP3_STATE_NEW)
		return;
	s->state = POP3_STATE_AUTHORIZATION;
	buf_addf(&s->out, "+OK %.*s POP3\r\n", BYTES_ARG(s->policy->hostname));
}

void
pop3_server_refuse(struct pop3_server *s, struct bytes text)
{
	buf_add_string(&s->out, "-ERR [SYS/TEMP] ");
	printable_add(&s->out, text, REFUSAL_TEXT_MAX);
	buf_add_string(&s->out, "\r\n");
	pop3_server_end(s);
}

void
pop3_server_timeout(struct pop3_server *s)
{
	pop3_server_end(s);
}

void
pop3_server_shutdown(struct pop3_server *s)
{
	s->is_stopping = true;
}

void
pop3_server_gone(struct pop3_server *s)
{
	pop3_server_end(s);
	buf_finish(&s->out);
}

static bool
is_between_commands(const struct pop3_server *s)
{
	return s->state <= POP3_STATE_TRANSACTION &&
	    s->question == POP3_NO_QUESTION;
}

/*
 * What ends a session whatever it is doing. Without memory nothing more is said: it
 * might stand in the middle of a message.
 */
static void
check_limits(struct pop3_server *s)
{
	bool has_failed = s->in.failed || s->out.failed || s->user.failed ||
	    s->password.failed;
	bool has_erred = s->errors > 0 && s->errors >= s->policy->errors_max;

	if (has_failed || has_erred || (s->is_stopping && is_between_commands(s)))
		pop3_server_end(s);
}

/* --- input and output --- */

size_t
pop3_server_room(const struct pop3_server *s)
{
	return POP3_INPUT_MAX - (s->in.len - s->in_used);
}

static struct bytes
unused_input(const struct pop3_server *s)
{
	return bytes_from(buf_bytes(&s->in), s->in_used);
}

/* Into fresh memory: the old may hold a password, and is wiped. */
void
pop3_server_feed(struct pop3_server *s, struct bytes input)
{
	struct bytes rest = unused_input(s);
	struct buf   fresh;

	if (s->state == POP3_STATE_CLOSING)
		return;
	if (input.n > pop3_server_room(s)) {
		pop3_server_end(s);
		return;
	}
	buf_init(&fresh, POP3_INPUT_MAX);
	buf_room(&fresh, rest.n + input.n);
	buf_add_bytes(&fresh, rest);
	buf_add_bytes(&fresh, input);
	release_input(s);
	s->in = fresh;
}

struct bytes
pop3_server_output(const struct pop3_server *s)
{
	return buf_bytes(&s->out);
}

void
pop3_server_sent(struct pop3_server *s, size_t n)
{
	buf_drop(&s->out, n);
	if (s->out.len == 0 && s->state != POP3_STATE_MESSAGE)
		buf_finish(&s->out);
}

/* --- steps: each consumes some input, false when there is not enough of it --- */

/* RFC 5034 section 4: an exchange has longer lines than commands. */
static size_t
line_max(const struct pop3_server *s)
{
	return s->state == POP3_STATE_EXCHANGE ? (size_t)SASL_LINE_MAX
	                                       : (size_t)POP3_LINE_MAX;
}

/* What is there of a line that was too long. */
static bool
skip_step(struct pop3_server *s)
{
	struct bytes rest = unused_input(s);
	size_t       lf = bytes_find(rest, '\n');

	s->is_skipping = lf == rest.n;
	s->in_used += s->is_skipping ? rest.n : lf + 1;
	return !s->is_skipping;
}

/* Whatever it was to be, an exchange is over. */
static void
blame_line(struct pop3_server *s, const char *text)
{
	if (s->state == POP3_STATE_EXCHANGE)
		pop3_login_abandon(s);
	pop3_server_blame(s, text);
}

/* line ends with LF. */
static void
take_line(struct pop3_server *s, struct bytes line)
{
	if (line.n < 2 || line.p[line.n - 2] != '\r')
		blame_line(s, "a line ends with CR LF");
	else if (s->state == POP3_STATE_EXCHANGE)
		pop3_login_line(s, bytes_first(line, line.n - 2));
	else
		pop3_dialog_command(s, bytes_first(line, line.n - 2));
}

static bool
line_step(struct pop3_server *s)
{
	size_t       max = line_max(s);
	struct bytes rest = bytes_first(unused_input(s), max);
	size_t       lf = bytes_find(rest, '\n');

	if (lf == max) {
		s->is_skipping = true;
		blame_line(s, "line too long");
		return true;
	}
	if (lf == rest.n)
		return false;
	take_line(s, bytes_first(rest, lf + 1));
	explicit_bzero(s->in.p + s->in_used, lf + 1); /* there may be a password in it */
	s->in_used += lf + 1;
	return true;
}

static bool
step(struct pop3_server *s)
{
	if (s->state == POP3_STATE_LISTING) {
		pop3_dialog_list(s);
		return true;
	}
	return s->is_skipping ? skip_step(s) : line_step(s);
}

/* --- events --- */

/* The question, the first time; then that it is open. */
static enum pop3_event
question_event(struct pop3_server *s)
{
	static const enum pop3_event events[] = {
		[POP3_QUESTION_LOGIN] = POP3_ASK_LOGIN,
		[POP3_QUESTION_MESSAGE] = POP3_ASK_MESSAGE,
		[POP3_QUESTION_UPDATE] = POP3_ASK_UPDATE,
	};

	if (s->is_asked)
		return POP3_WAIT;
	s->is_asked = true;
	return events[s->question];
}

/* What the driver has to do before anything else; MORE when nothing. */
static enum pop3_event
due_event(struct pop3_server *s)
{
	if (s->done_due) {
		s->done_due = false;
		return POP3_MESSAGE_DONE;
	}
	if (s->state == POP3_STATE_CLOSING)
		return POP3_CLOSE;
	if (s->state == POP3_STATE_NEW)
		return POP3_WAIT;
	if (s->question != POP3_NO_QUESTION)
		return question_event(s);
	if (s->out.len >= POP3_OUTPUT_HIGH)
		return POP3_FLUSH;
	return s->state == POP3_STATE_MESSAGE ? POP3_ASK_TEXT : POP3_MORE;
}

enum pop3_event
pop3_server_next(struct pop3_server *s)
{
	enum pop3_event event;

	do {
		check_limits(s);
		event = due_event(s);
		if (event != POP3_MORE)
			return event;
	} while (step(s));
	if (unused_input(s).n == 0)
		release_input(s);
	return POP3_MORE;
}

bool
pop3_server_is_logged_in(const struct pop3_server *s)
{
	return s->state >= POP3_STATE_TRANSACTION &&
	    s->state <= POP3_STATE_MESSAGE;
}

/* --- a message --- */

size_t
pop3_server_number(const struct pop3_server *s)
{
	return s->number;
}

void
pop3_server_answer_message(struct pop3_server *s, bool is_open)
{
	if (s->question != POP3_QUESTION_MESSAGE)
		return;
	s->question = POP3_NO_QUESTION;
	if (!is_open) {
		pop3_server_reject(s, "that message cannot be read");
		return;
	}
	s->has_message = true;
	s->state = POP3_STATE_MESSAGE;
	if (s->is_top)
		pop3_server_accept(s, "the top follows");
	else
		buf_addf(&s->out, "+OK %" PRIu64 " octets\r\n",
		    pop3_maildrop_at(&s->maildrop, s->number).octets);
}

void
pop3_server_text(struct pop3_server *s, struct bytes piece, bool is_end)
{
	if (s->state != POP3_STATE_MESSAGE)
		return;
	pop3_text_add(&s->text, piece, &s->out);
	if (!is_end && !s->text.is_done)
		return;
	pop3_text_end(&s->text, &s->out);
	end_message(s);
	s->state = POP3_STATE_TRANSACTION;
}

void
pop3_server_text_failed(struct pop3_server *s)
{
	if (s->state == POP3_STATE_MESSAGE)
		pop3_server_end(s);
}

/* --- the update --- */

bool
pop3_server_is_deleted(const struct pop3_server *s, size_t number)
{
	return pop3_maildrop_is_deleted(&s->maildrop, number);
}

size_t
pop3_server_deleted_count(const struct pop3_server *s)
{
	return s->maildrop.n_deleted;
}

/* RFC 1939 section 6: the client is told when not all of them are gone. */
void
pop3_server_answer_update(struct pop3_server *s, size_t failed)
{
	if (s->question != POP3_QUESTION_UPDATE)
		return;
	if (failed == 0)
		pop3_server_accept(s, "bye");
	else
		buf_addf(&s->out, "-ERR [SYS/TEMP] %zu %s not removed\r\n", failed,
		    failed == 1 ? "message" : "messages");
	pop3_server_end(s);
}
