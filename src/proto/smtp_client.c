#include "proto/smtp_client.h"

#include "proto/smtp_client_private.h"

#include <stdlib.h>

/*
 * Above OUTPUT_HIGH nothing more is said before some has gone; one step on top of that,
 * of which a piece of the message is the largest: all of it may be line ends.
 */
enum {
	INPUT_MAX = 2 * SMTP_CLIENT_LINE_MAX,
	OUTPUT_HIGH = 32 * 1024,
	OUTPUT_MAX = OUTPUT_HIGH + 2 * SMTP_CLIENT_BODY_CHUNK + 4096,
	TRANSACTION_MAX = 8 * 1024 * 1024, /* all recipients, and a text for those refused */
};

/*
 * What each reply means by its first digit; an empty cell: it cannot stand there. The
 * deadline in halves of the configured one, RFC 5321 section 4.5.3.2.
 */
/* clang-format off */
static const struct awaited {
	const char        *name;
	unsigned           halves;
	smtp_client_taker *on[6];
} awaited[SMTP_AWAITS] = {
	[SMTP_AWAIT_GREETING] = { "the greeting", 2, {
		[2] = smtp_client_greeted,
		[4] = smtp_client_refused,
		[5] = smtp_client_refused } },
	[SMTP_AWAIT_EHLO] = { "the reply to EHLO", 2, {
		[2] = smtp_client_ehlo_done,
		[4] = smtp_client_refused,
		[5] = smtp_client_ehlo_refused } },
	[SMTP_AWAIT_HELO] = { "the reply to HELO", 2, {
		[2] = smtp_client_helo_done,
		[4] = smtp_client_refused,
		[5] = smtp_client_refused } },
	[SMTP_AWAIT_STARTTLS] = { "the reply to STARTTLS", 2, {
		[2] = smtp_client_starttls_done,
		[4] = smtp_client_starttls_refused,
		[5] = smtp_client_starttls_refused } },
	[SMTP_AWAIT_AUTH_PLAIN] = { "the reply to AUTH", 2, {
		[3] = smtp_client_auth_plain,
		[4] = smtp_client_refused,
		[5] = smtp_client_refused } },
	[SMTP_AWAIT_AUTH_LOGIN] = { "the reply to AUTH", 2, {
		[3] = smtp_client_auth_user,
		[4] = smtp_client_refused,
		[5] = smtp_client_refused } },
	[SMTP_AWAIT_AUTH_USER] = { "the reply to AUTH", 2, {
		[3] = smtp_client_auth_password,
		[4] = smtp_client_refused,
		[5] = smtp_client_refused } },
	[SMTP_AWAIT_AUTH_END] = { "the reply to AUTH", 2, {
		[2] = smtp_client_auth_done,
		[4] = smtp_client_refused,
		[5] = smtp_client_refused } },
	[SMTP_AWAIT_RSET] = { "the reply to RSET", 2, {
		[2] = smtp_client_rset_done } },
	[SMTP_AWAIT_MAIL] = { "the reply to MAIL", 2, {
		[2] = smtp_client_mail_done,
		[4] = smtp_client_mail_refused,
		[5] = smtp_client_mail_refused } },
	[SMTP_AWAIT_RCPT] = { "the reply to RCPT", 2, {
		[2] = smtp_client_rcpt_done,
		[4] = smtp_client_rcpt_refused,
		[5] = smtp_client_rcpt_refused } },
	[SMTP_AWAIT_DATA] = { "the reply to DATA", 1, {
		[3] = smtp_client_data_go,
		[4] = smtp_client_data_refused,
		[5] = smtp_client_data_refused } },
	[SMTP_AWAIT_CHUNK] = { "the reply to BDAT", 1, {
		[2] = smtp_client_chunk_done,
		[4] = smtp_client_chunk_refused,
		[5] = smtp_client_chunk_refused } },
	[SMTP_AWAIT_LAST_CHUNK] = { "the reply to the message", 4, {
		[2] = smtp_client_message_done,
		[4] = smtp_client_chunk_refused,
		[5] = smtp_client_chunk_refused } },
	[SMTP_AWAIT_END] = { "the reply to the message", 4, {
		[2] = smtp_client_message_done,
		[4] = smtp_client_message_refused,
		[5] = smtp_client_message_refused } },
	[SMTP_AWAIT_EMPTY_END] = { "the reply to the message", 4, {
		[2] = smtp_client_empty_end,
		[4] = smtp_client_empty_end,
		[5] = smtp_client_empty_end } },
};
/* clang-format on */

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
	arena_init(&c->transaction.arena, TRANSACTION_MAX);
	smtp_client_await(c, SMTP_AWAIT_GREETING);
	return c;
}

static void
release_input(struct smtp_client *c)
{
	buf_finish(&c->in);
	c->in_used = 0;
}

/* It may hold a password. */
static void
release_output(struct smtp_client *c)
{
	buf_wipe(&c->out);
	c->has_secret = false;
}

void
smtp_client_free(struct smtp_client *c)
{
	if (c == NULL)
		return;
	release_input(c);
	release_output(c);
	buf_finish(&c->fault_text);
	smtp_client_reply_finish(&c->reply);
	arena_finish(&c->transaction.arena);
	free(c);
}

/* --- what is said, and in which order it is replied to --- */

void
smtp_client_await(struct smtp_client *c, enum smtp_client_await what)
{
	struct smtp_client_queue *q = &c->queue;
	const size_t              size = sizeof q->awaits;

	q->awaits[(q->first + q->n) % size] = (uint8_t)what;
	q->n++;
}

static enum smtp_client_await
first_awaited(const struct smtp_client *c)
{
	return c->queue.awaits[c->queue.first];
}

static void
drop_awaited(struct smtp_client *c)
{
	c->queue.first = (c->queue.first + 1) % sizeof c->queue.awaits;
	c->queue.n--;
}

void
smtp_client_say(struct smtp_client *c, const char *line, enum smtp_client_await what)
{
	buf_addf(&c->out, "%s\r\n", line);
	smtp_client_await(c, what);
}

/* --- how a connection ends --- */

void
smtp_client_quit(struct smtp_client *c)
{
	c->quit_due = true;
}

/* "connection closed before the reply to MAIL" */
static void
end_unanswered(struct smtp_client *c, enum smtp_client_fault fault, const char *what)
{
	struct buf text;

	buf_init(&text, SMTP_CLIENT_TEXT_MAX);
	buf_add_string(&text, what);
	if (c->state == SMTP_CLIENT_STATE_HANDSHAKE)
		buf_add_string(&text, " in the TLS handshake");
	else if (c->queue.n > 0)
		buf_addf(&text, " before %s", awaited[first_awaited(c)].name);
	else if (c->transaction.is_open)
		buf_add_string(&text, " while the message was sent");
	smtp_client_end(c, fault, STATUS(4, 4, 2), buf_bytes(&text));
	buf_finish(&text);
	release_output(c);
}

void
smtp_client_timeout(struct smtp_client *c)
{
	if (c->state != SMTP_CLIENT_STATE_CLOSED)
		end_unanswered(c, SMTP_CLIENT_FAULT_TIMEOUT, "timed out");
}

/* What has come is still read: it may say why. */
void
smtp_client_gone(struct smtp_client *c)
{
	c->is_gone = true;
}

/* Without memory nothing more is said: it might be half a line. */
static void
check_memory(struct smtp_client *c)
{
	if (!c->in.failed && !c->out.failed && !c->reply.text.failed)
		return;
	smtp_client_end(c, SMTP_CLIENT_FAULT_TEMPORARY, STATUS(4, 3, 0),
	    BYTES("out of memory"));
	release_output(c);
}

/* --- input and output --- */

static struct bytes
unused_input(const struct smtp_client *c)
{
	return bytes_from(buf_bytes(&c->in), c->in_used);
}

bool
smtp_client_is_in_reply(const struct smtp_client *c)
{
	return unused_input(c).n > 0 || (c->reply.n_lines > 0 && !c->reply.is_whole);
}

size_t
smtp_client_room(const struct smtp_client *c)
{
	return INPUT_MAX - unused_input(c).n;
}

void
smtp_client_feed(struct smtp_client *c, struct bytes input)
{
	if (c->state == SMTP_CLIENT_STATE_CLOSED || c->is_gone || input.n == 0)
		return;
	if (c->state == SMTP_CLIENT_STATE_HANDSHAKE) {
		c->is_injected = true;
		return;
	}
	if (input.n > smtp_client_room(c)) {
		smtp_client_end(c, SMTP_CLIENT_FAULT_PROTOCOL, STATUS(4, 5, 0),
		    BYTES("too much input at once"));
		return;
	}
	buf_drop(&c->in, c->in_used);
	c->in_used = 0;
	buf_add_bytes(&c->in, input);
}

struct bytes
smtp_client_output(const struct smtp_client *c)
{
	return buf_bytes(&c->out);
}

void
smtp_client_sent(struct smtp_client *c, size_t n)
{
	buf_drop(&c->out, n);
	if (c->out.len == 0 && !smtp_client_transaction_wants_body(c))
		release_output(c);
}

void
smtp_client_secured(struct smtp_client *c, bool ok, struct bytes why)
{
	bool is_injected = c->is_injected || unused_input(c).n > 0;

	if (c->state != SMTP_CLIENT_STATE_HANDSHAKE)
		return;
	release_input(c);
	if (!ok) {
		smtp_client_end(
		    c, SMTP_CLIENT_FAULT_TLS, STATUS(4, 7, 5), why);
		return;
	}
	if (is_injected) {
		smtp_client_end(c, SMTP_CLIENT_FAULT_TLS, STATUS(4, 7, 5),
		    BYTES("something stood behind the reply to STARTTLS, in the clear"));
		return;
	}
	c->is_secure = true;
	smtp_client_hello(c);
}

/* --- steps: each says something, or consumes some input --- */

/*
 * A refusal that nobody has asked for, while the message is sent or nothing is done: the
 * server closes. It is no reply to the message.
 */
static void
take_unasked(struct smtp_client *c)
{
	if (c->reply.code >= 400)
		smtp_client_end_by_reply(c, SMTP_CLIENT_FAULT_TEMPORARY);
	else
		smtp_client_end_out_of_place(c, "a reply to anything");
}

/* RFC 5321 section 3.8: 421 may come at any time, and closes. */
static void
take_reply(struct smtp_client *c)
{
	const struct awaited *a;
	smtp_client_taker    *take;

	if (c->reply.code == 421) {
		smtp_client_end_by_reply(c, SMTP_CLIENT_FAULT_TEMPORARY);
		return;
	}
	if (c->queue.n == 0) {
		take_unasked(c);
		return;
	}
	a = &awaited[first_awaited(c)];
	take = a->on[c->reply.code / 100];
	if (take == NULL) {
		smtp_client_end_out_of_place(c, a->name);
		return;
	}
	drop_awaited(c);
	take(c);
}

static void
take_line(struct smtp_client *c, struct bytes line)
{
	if (c->reply.n_lines > 1 && c->queue.n > 0 &&
	    first_awaited(c) == SMTP_AWAIT_EHLO)
		smtp_client_offers_add(&c->offers, line);
	if (c->reply.is_whole)
		take_reply(c);
}

static bool
read_step(struct smtp_client *c)
{
	struct bytes                  rest = unused_input(c), line;
	enum smtp_client_reply_result result;

	result = smtp_client_reply_next(&c->reply, &rest, &line);
	if (result == SMTP_CLIENT_REPLY_MORE)
		return false;
	c->in_used = c->in.len - rest.n;
	if (result == SMTP_CLIENT_REPLY_LINE || result == SMTP_CLIENT_REPLY_WHOLE)
		take_line(c, line);
	else
		smtp_client_end_malformed(c, result, line);
	return true;
}

static bool
speak_step(struct smtp_client *c)
{
	if (c->is_gone)
		return false;
	if (c->state == SMTP_CLIENT_STATE_TRANSACTION)
		return smtp_client_transaction_speak(c);
	if (c->state != SMTP_CLIENT_STATE_READY || !c->quit_due)
		return false;
	smtp_client_part(c, SMTP_CLIENT_FAULT_NONE, STATUS(2, 0, 0), BYTES(""));
	return true;
}

/*
 * What may be said is said before anything is read, so what is said does not
 * depend on how fast replies come.
 */
static bool
step(struct smtp_client *c)
{
	return speak_step(c) || read_step(c);
}

/* --- events --- */

/* What the driver has to do before anything else; MORE when nothing. */
static enum smtp_client_event
due_event(struct smtp_client *c)
{
	if (c->done_due) {
		c->done_due = false;
		return SMTP_CLIENT_DONE;
	}
	if (c->state == SMTP_CLIENT_STATE_CLOSED)
		return SMTP_CLIENT_CLOSE;
	if (c->is_gone)
		return SMTP_CLIENT_MORE;
	/* a buffer that holds a secret must not grow */
	if (c->has_secret || c->out.len >= OUTPUT_HIGH)
		return SMTP_CLIENT_FLUSH;
	if (c->state == SMTP_CLIENT_STATE_HANDSHAKE)
		return SMTP_CLIENT_HANDSHAKE;
	if (smtp_client_transaction_wants_body(c) && c->queue.n > 0)
		return SMTP_CLIENT_BODY;
	return SMTP_CLIENT_MORE;
}

/* Nothing is left to do without input. */
static enum smtp_client_event
idle_event(struct smtp_client *c)
{
	if (c->is_gone) {
		end_unanswered(c, SMTP_CLIENT_FAULT_LOST, "connection closed");
		return SMTP_CLIENT_CLOSE;
	}
	if (unused_input(c).n == 0)
		release_input(c);
	/* what begins before the message has ended must not become the reply to it */
	if (smtp_client_transaction_wants_body(c))
		return smtp_client_is_in_reply(c) ? SMTP_CLIENT_MORE : SMTP_CLIENT_BODY;
	return c->state == SMTP_CLIENT_STATE_READY ? SMTP_CLIENT_IDLE
	                                           : SMTP_CLIENT_MORE;
}

enum smtp_client_event
smtp_client_next(struct smtp_client *c)
{
	enum smtp_client_event event;

	do {
		check_memory(c);
		event = due_event(c);
		if (event != SMTP_CLIENT_MORE)
			return event;
	} while (step(c));
	return idle_event(c);
}

uint64_t
smtp_client_deadline_ms(const struct smtp_client *c, uint64_t timeout_ms)
{
	unsigned halves = c->queue.n > 0 ? awaited[first_awaited(c)].halves : 2;

	return timeout_ms * (smtp_client_transaction_wants_body(c) ? 1 : halves) / 2;
}

/* --- what the server offers, and how it went --- */

bool
smtp_client_offers(const struct smtp_client *c, unsigned bit)
{
	return (c->offers.bits & bit) != 0;
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
smtp_client_transactions(const struct smtp_client *c)
{
	return c->n_transactions;
}
