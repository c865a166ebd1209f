#include <stdlib.h>
#include <string.h>

#include "mail/address.h"
#include "proto/smtp_client_private.h"

enum {
	INPUT_MAX = 16 * 1024,  /* fed and not yet read */
	OUTPUT_HIGH = 64 * 1024, /* that much asks to be sent */
	OUTPUT_MAX = 4 * OUTPUT_HIGH,
	ARENA_MAX = 1024 * 1024,
};

_Static_assert(INPUT_MAX > 2 * SMTP_CLIENT_LINE_MAX, "a whole line has room");
_Static_assert(OUTPUT_MAX > OUTPUT_HIGH + 3 * SMTP_CLIENT_BODY_CHUNK,
    "a piece of a message has room, all of it dots");

/* --- what a reply means --- */

/* By the first digit of its code; an empty cell means that it cannot stand there. */
static smtp_client_taker *const takers[SMTP_AWAITS][6] = {
	[SMTP_AWAIT_GREETING] = { [2] = smtp_client_greeted,
	    [4] = smtp_client_refused, [5] = smtp_client_refused },
	[SMTP_AWAIT_EHLO] = { [2] = smtp_client_ehlo_done,
	    [4] = smtp_client_refused, [5] = smtp_client_ehlo_refused },
	[SMTP_AWAIT_HELO] = { [2] = smtp_client_helo_done,
	    [4] = smtp_client_refused, [5] = smtp_client_refused },
	[SMTP_AWAIT_STARTTLS] = { [2] = smtp_client_starttls_done,
	    [4] = smtp_client_starttls_refused, [5] = smtp_client_starttls_refused },
	[SMTP_AWAIT_AUTH_PLAIN] = { [3] = smtp_client_auth_plain,
	    [4] = smtp_client_refused, [5] = smtp_client_refused },
	[SMTP_AWAIT_AUTH_LOGIN] = { [3] = smtp_client_auth_user,
	    [4] = smtp_client_refused, [5] = smtp_client_refused },
	[SMTP_AWAIT_AUTH_USER] = { [3] = smtp_client_auth_password,
	    [4] = smtp_client_refused, [5] = smtp_client_refused },
	[SMTP_AWAIT_AUTH_END] = { [2] = smtp_client_auth_done,
	    [4] = smtp_client_refused, [5] = smtp_client_refused },
	[SMTP_AWAIT_RSET] = { [2] = smtp_client_rset_done,
	    [4] = smtp_client_refused, [5] = smtp_client_refused },
	[SMTP_AWAIT_MAIL] = { [2] = smtp_client_mail_done,
	    [4] = smtp_client_mail_refused, [5] = smtp_client_mail_refused },
	[SMTP_AWAIT_RCPT] = { [2] = smtp_client_rcpt_done,
	    [4] = smtp_client_rcpt_refused, [5] = smtp_client_rcpt_refused },
	[SMTP_AWAIT_DATA] = { [3] = smtp_client_data_go,
	    [4] = smtp_client_data_refused, [5] = smtp_client_data_refused },
	[SMTP_AWAIT_CHUNK] = { [2] = smtp_client_chunk_done,
	    [4] = smtp_client_chunk_refused, [5] = smtp_client_chunk_refused },
	[SMTP_AWAIT_LAST_CHUNK] = { [2] = smtp_client_last_chunk_done,
	    [4] = smtp_client_chunk_refused, [5] = smtp_client_chunk_refused },
	[SMTP_AWAIT_END] = { [2] = smtp_client_message_done,
	    [4] = smtp_client_message_refused, [5] = smtp_client_message_refused },
	[SMTP_AWAIT_EMPTY_END] = { [2] = smtp_client_empty_end,
	    [4] = smtp_client_empty_end, [5] = smtp_client_empty_end },
};

/* --- what was said and waits for its reply --- */

static size_t
queue_room(void)
{
	return sizeof ((struct smtp_client_queue *)NULL)->awaits;
}

void
smtp_client_await(struct smtp_client *c, enum smtp_client_await what)
{
	struct smtp_client_queue *q = &c->queue;

	q->awaits[(q->first + q->n++) % queue_room()] = (uint8_t)what;
}

static enum smtp_client_await
take_await(struct smtp_client_queue *q)
{
	enum smtp_client_await what = (enum smtp_client_await)q->awaits[q->first];

	q->first = (q->first + 1) % queue_room();
	q->n--;
	return what;
}

void
smtp_client_say(
    struct smtp_client *c, const char *line, enum smtp_client_await what)
{
	buf_add_string(&c->out, line);
	buf_add_string(&c->out, "\r\n");
	smtp_client_await(c, what);
}

bool
smtp_client_offers(const struct smtp_client *c, unsigned bit)
{
	return (c->offers.bits & bit) != 0;
}

/* --- the end --- */

static bool
is_in_transaction(const struct smtp_client *c)
{
	return c->state == SMTP_CLIENT_STATE_TRANSACTION;
}

static void
end(struct smtp_client *c, enum smtp_client_fault fault, struct status status,
    struct bytes text, bool is_reply)
{
	static const struct bytes doubt = BYTES_INIT("connection lost after the "
	    "end of the message: it may have been delivered");
	struct smtp_client_transaction *t = &c->transaction;

	if (c->state == SMTP_CLIENT_STATE_CLOSED)
		return;
	c->fault = fault;
	c->fault_status = status;
	c->fault_is_reply = is_reply;
	buf_clear(&c->fault_text);
	buf_add_bytes(&c->fault_text, bytes_first(text, SMTP_CLIENT_TEXT_MAX));
	if (is_in_transaction(c)) {
		t->is_in_doubt = t->is_ended && t->n_open > 0 && !is_reply;
		if (t->is_in_doubt)
			smtp_client_transaction_settle(c, OUTCOME_DEFERRED,
			    STATUS(4, 4, 2), doubt, false);
		status.class = 4; /* of the message this says nothing for good */
		smtp_client_transaction_settle(
		    c, OUTCOME_DEFERRED, status, text, is_reply);
	}
	c->state = SMTP_CLIENT_STATE_CLOSED;
}

void
smtp_client_end(struct smtp_client *c, enum smtp_client_fault fault,
    struct status status, struct bytes text)
{
	end(c, fault, status, text, false);
}

void
smtp_client_end_by_reply(struct smtp_client *c, enum smtp_client_fault fault)
{
	end(c, fault, smtp_client_reply_status(&c->reply),
	    buf_bytes(&c->reply.text), true);
}

static void
say_good_bye(struct smtp_client *c)
{
	if (c->state != SMTP_CLIENT_STATE_CLOSED && !c->is_gone)
		buf_add_string(&c->out, "QUIT\r\n");
}

void
smtp_client_part(struct smtp_client *c, enum smtp_client_fault fault,
    struct status status, struct bytes text)
{
	say_good_bye(c);
	smtp_client_end(c, fault, status, text);
}

void
smtp_client_part_by_reply(struct smtp_client *c, enum smtp_client_fault fault)
{
	say_good_bye(c);
	smtp_client_end_by_reply(c, fault);
}

/* --- input --- */

static const char *
describe(enum smtp_client_reply_result result)
{
	switch (result) {
	case SMTP_CLIENT_REPLY_OTHER_CODE:
		return "a reply has lines with different codes";
	case SMTP_CLIENT_REPLY_LONG_LINE:
		return "a line of a reply is too long";
	case SMTP_CLIENT_REPLY_MANY_LINES:
		return "a reply has too many lines";
	case SMTP_CLIENT_REPLY_MALFORMED:
	case SMTP_CLIENT_REPLY_MORE:
	case SMTP_CLIENT_REPLY_LINE:
	case SMTP_CLIENT_REPLY_WHOLE:
		break;
	}
	return "what came is not a reply of SMTP";
}

static void
end_by_protocol(struct smtp_client *c, const char *what)
{
	smtp_client_end(c, SMTP_CLIENT_FAULT_PROTOCOL, STATUS(4, 5, 0),
	    bytes_of(what));
}

/* 421 may come at any time, also when nothing was said (RFC 5321 section 3.8). */
static void
take_reply(struct smtp_client *c)
{
	smtp_client_taker *taker;

	c->n_replies++;
	if (c->reply.code == 421) {
		smtp_client_end_by_reply(c, SMTP_CLIENT_FAULT_TEMPORARY);
		return;
	}
	if (c->queue.n == 0) {
		end_by_protocol(c, "a reply came that nothing was said for");
		return;
	}
	taker = takers[take_await(&c->queue)][c->reply.code / 100];
	if (taker)
		taker(c);
	else
		end_by_protocol(c, "a reply has a code that cannot stand there");
}

/* Whether a reply was taken, or the connection has ended. */
static bool
read_reply(struct smtp_client *c)
{
	struct bytes input = bytes_from(buf_bytes(&c->in), c->in_used), line;
	size_t       before = input.n;
	enum smtp_client_reply_result result;
	bool         is_offer;

	if (c->state == SMTP_CLIENT_STATE_HANDSHAKE)
		return false;
	for (;;) {
		is_offer = c->queue.n > 0 && c->reply.n_lines > 0 &&
		    !c->reply.is_whole &&
		    c->queue.awaits[c->queue.first] == SMTP_AWAIT_EHLO;
		result = smtp_client_reply_next(&c->reply, &input, &line);
		if (is_offer && (result == SMTP_CLIENT_REPLY_LINE ||
		                    result == SMTP_CLIENT_REPLY_WHOLE))
			smtp_client_take_offer(c, line);
		if (result != SMTP_CLIENT_REPLY_LINE)
			break;
	}
	c->in_used += before - input.n;
	if (c->in_used == c->in.len) {
		buf_finish(&c->in);
		buf_init(&c->in, INPUT_MAX);
		c->in_used = 0;
	}
	if (result == SMTP_CLIENT_REPLY_MORE)
		return false;
	if (result == SMTP_CLIENT_REPLY_WHOLE)
		take_reply(c);
	else
		end_by_protocol(c, describe(result));
	return true;
}

size_t
smtp_client_room(const struct smtp_client *c)
{
	return INPUT_MAX - (c->in.len - c->in_used);
}

void
smtp_client_feed(struct smtp_client *c, struct bytes input)
{
	if (c->state == SMTP_CLIENT_STATE_CLOSED || input.n == 0)
		return;
	if (c->state == SMTP_CLIENT_STATE_HANDSHAKE) {
		c->is_injected = true;
		return;
	}
	buf_drop(&c->in, c->in_used);
	c->in_used = 0;
	buf_add_bytes(&c->in, input);
	if (c->in.failed)
		end_by_protocol(c, "more came than is read, or no memory");
}

/* --- output --- */

struct bytes
smtp_client_output(const struct smtp_client *c)
{
	return buf_bytes(&c->out);
}

void
smtp_client_sent(struct smtp_client *c, size_t n)
{
	if (n < c->out.len) {
		buf_drop(&c->out, n);
		return;
	}
	if (c->has_secret)
		buf_wipe(&c->out);
	else
		buf_finish(&c->out);
	buf_init(&c->out, OUTPUT_MAX);
	c->has_secret = false;
}

/* --- the session --- */

struct smtp_client *
smtp_client_new(const struct smtp_client_policy *policy)
{
	struct smtp_client *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->policy = *policy;
	c->is_secure = policy->tls == SMTP_CLIENT_TLS_ALREADY;
	buf_init(&c->in, INPUT_MAX);
	buf_init(&c->out, OUTPUT_MAX);
	buf_init(&c->fault_text, SMTP_CLIENT_TEXT_MAX);
	smtp_client_reply_init(&c->reply);
	arena_init(&c->transaction.arena, ARENA_MAX);
	smtp_client_await(c, SMTP_AWAIT_GREETING);
	return c;
}

void
smtp_client_free(struct smtp_client *c)
{
	if (c == NULL)
		return;
	buf_finish(&c->in);
	buf_wipe(&c->out);
	buf_finish(&c->fault_text);
	smtp_client_reply_finish(&c->reply);
	arena_finish(&c->transaction.arena);
	free(c);
}

/* All that may be said now; false: nothing. */
static bool
speak(struct smtp_client *c)
{
	bool spoke = false;

	while (is_in_transaction(c) && c->out.len < OUTPUT_HIGH &&
	    smtp_client_transaction_speak(c))
		spoke = true;
	return spoke;
}

static enum smtp_client_event
be_idle(struct smtp_client *c)
{
	if (!c->quit_due)
		return SMTP_CLIENT_IDLE;
	smtp_client_part(c, SMTP_CLIENT_FAULT_NONE, STATUS(2, 0, 0), BYTES(""));
	return SMTP_CLIENT_CLOSE;
}

enum smtp_client_event
smtp_client_next(struct smtp_client *c)
{
	while (c->state != SMTP_CLIENT_STATE_CLOSED &&
	    (read_reply(c) || speak(c)))
		;
	if (c->out.failed)
		smtp_client_end(c, SMTP_CLIENT_FAULT_LOST, STATUS(4, 3, 0),
		    BYTES("no memory"));
	if (c->state == SMTP_CLIENT_STATE_CLOSED)
		return SMTP_CLIENT_CLOSE;
	if (c->done_due) {
		c->done_due = false;
		return SMTP_CLIENT_DONE;
	}
	if (c->is_gone) {
		smtp_client_end(c, SMTP_CLIENT_FAULT_LOST, STATUS(4, 4, 2),
		    BYTES("the connection was closed or lost"));
		return SMTP_CLIENT_CLOSE;
	}
	if (c->state == SMTP_CLIENT_STATE_HANDSHAKE)
		return SMTP_CLIENT_HANDSHAKE;
	if (c->state == SMTP_CLIENT_STATE_READY)
		return be_idle(c);
	if (c->out.len >= OUTPUT_HIGH)
		return SMTP_CLIENT_FLUSH;
	if (is_in_transaction(c) && smtp_client_transaction_wants_body(c))
		return SMTP_CLIENT_BODY;
	return SMTP_CLIENT_MORE;
}

void
smtp_client_quit(struct smtp_client *c)
{
	c->quit_due = true;
}

void
smtp_client_timeout(struct smtp_client *c)
{
	smtp_client_end(c, SMTP_CLIENT_FAULT_TIMEOUT, STATUS(4, 4, 2),
	    BYTES("no reply came in time"));
}

void
smtp_client_gone(struct smtp_client *c)
{
	c->is_gone = true;
}

uint64_t
smtp_client_deadline_ms(const struct smtp_client *c, uint64_t timeout_ms)
{
	if (c->queue.n == 0)
		return is_in_transaction(c) ? timeout_ms / 2 : timeout_ms;
	switch ((enum smtp_client_await)c->queue.awaits[c->queue.first]) {
	case SMTP_AWAIT_DATA:
	case SMTP_AWAIT_CHUNK:
		return timeout_ms / 2;
	case SMTP_AWAIT_END:
	case SMTP_AWAIT_LAST_CHUNK:
		return 2 * timeout_ms;
	case SMTP_AWAIT_GREETING:
	case SMTP_AWAIT_EHLO:
	case SMTP_AWAIT_HELO:
	case SMTP_AWAIT_STARTTLS:
	case SMTP_AWAIT_AUTH_PLAIN:
	case SMTP_AWAIT_AUTH_LOGIN:
	case SMTP_AWAIT_AUTH_USER:
	case SMTP_AWAIT_AUTH_END:
	case SMTP_AWAIT_RSET:
	case SMTP_AWAIT_MAIL:
	case SMTP_AWAIT_RCPT:
	case SMTP_AWAIT_EMPTY_END:
	case SMTP_AWAITS:
		break;
	}
	return timeout_ms;
}

/* --- what is known --- */

enum smtp_client_fault
smtp_client_fault(const struct smtp_client *c)
{
	return c->fault;
}

struct bytes
smtp_client_fault_text(const struct smtp_client *c)
{
	return buf_bytes(&c->fault_text);
}

struct status
smtp_client_fault_status(const struct smtp_client *c)
{
	return c->fault_status;
}

bool
smtp_client_fault_is_reply(const struct smtp_client *c)
{
	return c->fault_is_reply;
}

bool
smtp_client_has_starttls(const struct smtp_client *c)
{
	return smtp_client_offers(c, SMTP_OFFER_STARTTLS);
}

struct bytes
smtp_client_server_name(const struct smtp_client *c)
{
	return bytes_of(c->server_name);
}

unsigned
smtp_client_replies(const struct smtp_client *c)
{
	return c->n_replies;
}

unsigned
smtp_client_transactions(const struct smtp_client *c)
{
	return c->n_transactions;
}
