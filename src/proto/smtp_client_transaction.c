/* One message on its way: the order of its commands, and what their replies mean. */
#include "proto/smtp_client_private.h"

#include <inttypes.h>

#include "mail/address.h"
#include "mail/verp.h"

/* --- how a transaction begins --- */

static bool
is_ascii(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > 0x7f)
			return false;
	return true;
}

/* Whether it can stand in a command: nobody gets a line of his own by his address. */
static bool
can_be_said(struct bytes address)
{
	enum { MAX = ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX };

	for (size_t i = 0; i < address.n; i++)
		if ((unsigned char)address.p[i] < ' ' || address.p[i] == 0x7f)
			return false;
	return address.n <= MAX;
}

static bool
needs_utf8(const struct smtp_transaction_out *out)
{
	bool needs = out->smtputf8 || !is_ascii(out->reverse_path);

	for (size_t i = 0; i < out->n_recipients; i++)
		needs |= !is_ascii(out->recipients[i].address);
	return needs;
}

static void
refuse_size(struct smtp_client *c)
{
	struct smtp_client_transaction *t = &c->transaction;
	struct buf                      text;

	buf_init(&text, SMTP_CLIENT_TEXT_MAX);
	buf_addf(&text, "the message has %" PRIu64 " octets, the server takes at most "
	    "%" PRIu64, t->out.size_bytes, c->offers.size_max);
	smtp_client_fail_all(t, STATUS(5, 3, 4), buf_bytes(&text));
	buf_finish(&text);
}

/* What need not be asked. */
static void
refuse_impossible(struct smtp_client *c)
{
	struct smtp_client_transaction *t = &c->transaction;
	const uint64_t                  max = c->offers.size_max;
	const struct outcome            bad = outcome_of(OUTCOME_FAILED,
	               STATUS(5, 1, 3), BYTES("the address cannot be written in a command"));

	if (!can_be_said(t->out.reverse_path))
		smtp_client_fail_all(t, STATUS(5, 1, 7),
		    BYTES("the sender's address cannot be written in a command"));
	if (verp_is(t->out.reverse_path) &&
	    !(t->out.all_or_none && smtp_client_offers(c, SMTP_OFFER_XQUEUE)))
		smtp_client_fail_all(t, STATUS(5, 5, 1),
		    BYTES("the server does not know VERP, which the message needs"));
	if (max > 0 && t->out.size_bytes > max)
		refuse_size(c);
	if (t->needs_utf8 && !smtp_client_offers(c, SMTP_OFFER_SMTPUTF8))
		smtp_client_fail_all(t, STATUS(5, 6, 7),
		    BYTES("the message needs SMTPUTF8, which the server does not "
		          "offer"));
	if (t->out.has_8bit && !smtp_client_offers(c, SMTP_OFFER_8BITMIME))
		smtp_client_fail_all(t, STATUS(5, 6, 3),
		    BYTES("the message has 8-bit data, and the server does not offer "
		          "8BITMIME"));
	for (size_t i = 0; i < t->out.n_recipients; i++)
		if (t->out.recipients[i].address.n == 0 ||
		    !can_be_said(t->out.recipients[i].address))
			smtp_client_settle(t, i, &bad);
}

static size_t
recipients_max(const struct smtp_transaction_out *out)
{
	return out->all_or_none ? SMTP_CLIENT_QUEUE_RECIPIENTS_MAX
	                        : SMTP_CLIENT_RECIPIENTS_MAX;
}

/* Everything of the last one is forgotten. */
static bool
reset(struct smtp_client *c, const struct smtp_transaction_out *out)
{
	struct smtp_client_transaction *t = &c->transaction;
	struct arena                    arena = t->arena;

	arena_reset(&arena);
	*t = (struct smtp_client_transaction){
		.out = *out,
		.arena = arena,
		.is_open = true,
		.needs_utf8 = needs_utf8(out),
		.is_chunked = smtp_client_offers(c, SMTP_OFFER_CHUNKING) &&
		    smtp_client_offers(c, SMTP_OFFER_PIPELINING),
	};
	if (out->n_recipients <= recipients_max(out))
		t->recipients = arena_alloc(
		    &t->arena, out->n_recipients * sizeof *t->recipients);
	if (t->recipients == NULL)
		t->out.n_recipients = 0;
	t->n_open = t->out.n_recipients;
	return t->recipients != NULL;
}

void
smtp_client_begin(struct smtp_client *c, const struct smtp_transaction_out *out)
{
	bool is_ready = c->state == SMTP_CLIENT_STATE_READY;

	if (!is_ready && c->state != SMTP_CLIENT_STATE_CLOSED)
		return;
	if (!reset(c, out)) {
		smtp_client_end(c, SMTP_CLIENT_FAULT_TEMPORARY, STATUS(4, 3, 0),
		    BYTES("out of memory, or too many recipients"));
		return;
	}
	if (!is_ready)
		return;
	if (smtp_client_is_in_reply(c)) {
		smtp_client_end(c, SMTP_CLIENT_FAULT_PROTOCOL, STATUS(4, 5, 0),
		    BYTES("something was said before the transaction began"));
		return;
	}
	c->state = SMTP_CLIENT_STATE_TRANSACTION;
	refuse_impossible(c);
	if (c->transaction.n_open == 0)
		c->transaction.stage = SMTP_CLIENT_STAGE_END;
}

/* --- what is said, and when --- */

/* RFC 2920 section 3.1. */
static bool
may_speak(const struct smtp_client *c)
{
	return c->queue.n == 0 || smtp_client_offers(c, SMTP_OFFER_PIPELINING);
}

/* RFC 2920 section 3.1: RSET may stand in front of others. */
static bool
say_mail(struct smtp_client *c)
{
	if (!may_speak(c))
		return false;
	if (c->reset_due) {
		c->reset_due = false;
		smtp_client_say(c, "RSET", SMTP_AWAIT_RSET);
		return true;
	}
	smtp_client_envelope_mail(c);
	c->transaction.stage = SMTP_CLIENT_STAGE_RCPT;
	return true;
}

/*
 * Of many only so many are said before some are replied to: a server that cannot send its
 * replies, since we only send, would read no more (RFC 2920 section 3.1).
 */
static bool
say_rcpt(struct smtp_client *c)
{
	struct smtp_client_transaction *t = &c->transaction;

	if (t->n_said == t->out.n_recipients) {
		t->stage = SMTP_CLIENT_STAGE_DATA;
		return true;
	}
	if (!may_speak(c) || c->queue.n > SMTP_CLIENT_RECIPIENTS_MAX + 1)
		return false;
	if (!t->recipients[t->n_said].is_settled) {
		t->recipients[t->n_said].is_said = true;
		smtp_client_envelope_rcpt(c, t->n_said);
	}
	t->n_said++;
	return true;
}

/* Nobody gets it. What the server knows of it must not become part of the next one. */
static void
give_up(struct smtp_client *c)
{
	c->reset_due |= c->transaction.is_begun;
	c->transaction.stage = SMTP_CLIENT_STAGE_END;
}

/* One is refused: the others get nothing either. */
static void
leave_all(struct smtp_client_transaction *t)
{
	const struct outcome left = outcome_of(OUTCOME_DEFERRED, STATUS(4, 5, 0),
	    BYTES("not sent, since another recipient was refused"));

	smtp_client_settle_all(t, &left);
}

/*
 * With PIPELINING DATA goes out with the envelope, and so does a message of one chunk,
 * which saves a round trip (RFC 3030 section 4.2). A larger one waits until
 * somebody is there to take it, and one for all or none until all have said so.
 */
static bool
say_data(struct smtp_client *c)
{
	struct smtp_client_transaction *t = &c->transaction;
	bool is_small = t->out.size_bytes <= SMTP_CLIENT_BODY_CHUNK;
	bool waits = t->out.all_or_none || (t->is_chunked && !is_small);

	if (!may_speak(c) || (waits && c->queue.n > 0))
		return false;
	if (t->out.all_or_none && t->n_open < t->out.n_recipients)
		leave_all(t);
	if (c->queue.n == 0 && t->n_open == 0) {
		give_up(c);
	} else if (t->is_chunked) {
		t->stage = SMTP_CLIENT_STAGE_BODY;
	} else {
		smtp_client_say(c, "DATA", SMTP_AWAIT_DATA);
		t->stage = SMTP_CLIENT_STAGE_WAIT;
	}
	return true;
}

static bool
finish(struct smtp_client *c)
{
	if (c->queue.n > 0)
		return false;
	c->transaction.is_open = false;
	c->state = SMTP_CLIENT_STATE_READY;
	c->done_due = true;
	return true;
}

bool
smtp_client_transaction_speak(struct smtp_client *c)
{
	switch (c->transaction.stage) {
	case SMTP_CLIENT_STAGE_MAIL:
		return say_mail(c);
	case SMTP_CLIENT_STAGE_RCPT:
		return say_rcpt(c);
	case SMTP_CLIENT_STAGE_DATA:
		return say_data(c);
	case SMTP_CLIENT_STAGE_WAIT:
	case SMTP_CLIENT_STAGE_BODY:
		return false;
	case SMTP_CLIENT_STAGE_END:
		return finish(c);
	}
	return false;
}

/* --- the message --- */

bool
smtp_client_transaction_wants_body(const struct smtp_client *c)
{
	return c->state == SMTP_CLIENT_STATE_TRANSACTION &&
	    c->transaction.stage == SMTP_CLIENT_STAGE_BODY &&
	    c->transaction.n_chunks < SMTP_CLIENT_CHUNKS_MAX;
}

/* The data is never ended, so the server keeps nothing of it. */
void
smtp_client_abort(struct smtp_client *c)
{
	c->transaction.is_tried = true;
	smtp_client_end(c, SMTP_CLIENT_FAULT_NONE, STATUS(4, 3, 0),
	    BYTES("the message cannot be sent: trouble on our side"));
}

/* Whether that piece was kept back, and all that would follow. */
static bool
is_unfit(struct smtp_client *c, struct bytes text, bool is_last)
{
	static const struct bytes reasons[] = {
		[SMTP_CLIENT_DATA_BARE_CR] = BYTES_INIT("the message contains a bare "
			"CR, which no server may be sent"),
		[SMTP_CLIENT_DATA_NUL] = BYTES_INIT("the message contains a NUL, "
			"which no server may be sent"),
	};
	struct smtp_client_transaction *t = &c->transaction;
	uint64_t                        size = t->data.size_bytes + text.n;
	enum smtp_client_data_fault     fault =
	    smtp_client_data_check(&t->data, text, is_last);

	if (fault != SMTP_CLIENT_DATA_FINE) {
		smtp_client_fail_all(t, STATUS(5, 6, 0), reasons[fault]);
		smtp_client_abort(c);
		return true;
	}
	if (size > t->out.size_bytes || (is_last && size < t->out.size_bytes)) {
		smtp_client_abort(c);
		return true;
	}
	return false;
}

/* RFC 3030 section 2: the octets of a chunk are counted and nothing is doubled. */
static void
say_chunk(struct smtp_client *c, struct bytes text, bool is_last)
{
	struct smtp_client_transaction *t = &c->transaction;
	size_t size = smtp_client_data_size(&t->data, text, is_last);

	if (size > 0 || is_last) {
		buf_addf(&c->out, "BDAT %zu%s\r\n", size, is_last ? " LAST" : "");
		smtp_client_await(
		    c, is_last ? SMTP_AWAIT_LAST_CHUNK : SMTP_AWAIT_CHUNK);
		t->n_chunks++;
	}
	smtp_client_data_add(&t->data, text, is_last, false, &c->out);
}

static void
say_text(struct smtp_client *c, struct bytes text, bool is_last)
{
	smtp_client_data_add(&c->transaction.data, text, is_last, true, &c->out);
	if (is_last)
		smtp_client_say(c, ".", SMTP_AWAIT_END);
}

void
smtp_client_body(struct smtp_client *c, struct bytes text, bool is_last)
{
	if (!smtp_client_transaction_wants_body(c) || is_unfit(c, text, is_last))
		return;
	if (c->transaction.is_chunked)
		say_chunk(c, text, is_last);
	else
		say_text(c, text, is_last);
	if (!is_last)
		return;
	c->transaction.is_ended = true;
	c->transaction.stage = SMTP_CLIENT_STAGE_END;
}

/* --- replies --- */

void
smtp_client_rset_done(struct smtp_client *c)
{
	(void)c;
}

void
smtp_client_mail_done(struct smtp_client *c)
{
	c->transaction.is_tried = true;
	c->transaction.is_begun = true;
}

/* Behind a refusal only replies to what was said already come. */
static void
stop_if_nobody(struct smtp_client *c)
{
	struct smtp_client_transaction *t = &c->transaction;

	if (t->n_open == 0 && t->stage == SMTP_CLIENT_STAGE_BODY)
		give_up(c);
}

void
smtp_client_mail_refused(struct smtp_client *c)
{
	c->transaction.is_tried = true;
	smtp_client_settle_by_reply(c);
	if (!smtp_client_offers(c, SMTP_OFFER_PIPELINING))
		c->transaction.stage = SMTP_CLIENT_STAGE_END;
	stop_if_nobody(c);
}

static size_t
take_recipient(struct smtp_client_transaction *t)
{
	while (!t->recipients[t->n_replied].is_said)
		t->n_replied++;
	return t->n_replied++;
}

void
smtp_client_rcpt_done(struct smtp_client *c)
{
	take_recipient(&c->transaction);
}

/* RFC 5321 section 4.5.3.1.10: some servers say 552 for too many recipients. */
void
smtp_client_rcpt_refused(struct smtp_client *c)
{
	struct outcome outcome = smtp_client_outcome_of_reply(c);

	if (c->reply.code == 552) {
		outcome.kind = OUTCOME_DEFERRED;
		outcome.status.class = 4;
	}
	smtp_client_settle(&c->transaction, take_recipient(&c->transaction), &outcome);
	stop_if_nobody(c);
}

/*
 * RFC 2920 section 3.1 (6): DATA was said before it was known that nobody is there; a dot by
 * itself ends it, and nothing is delivered.
 */
void
smtp_client_data_go(struct smtp_client *c)
{
	if (c->transaction.n_open > 0) {
		c->transaction.stage = SMTP_CLIENT_STAGE_BODY;
		return;
	}
	smtp_client_say(c, ".", SMTP_AWAIT_EMPTY_END);
	c->transaction.stage = SMTP_CLIENT_STAGE_END;
}

void
smtp_client_empty_end(struct smtp_client *c)
{
	c->reset_due = true;
}

void
smtp_client_data_refused(struct smtp_client *c)
{
	smtp_client_settle_by_reply(c);
	give_up(c);
}

void
smtp_client_chunk_done(struct smtp_client *c)
{
	c->transaction.n_chunks--;
}

/* RFC 3030 section 2: what state the server is in is not known; RSET makes it known. */
void
smtp_client_chunk_refused(struct smtp_client *c)
{
	c->transaction.n_chunks--;
	smtp_client_settle_by_reply(c);
	give_up(c);
}

/*
 * Delivered: those whom RCPT, and now the message, was accepted for. They get their
 * notifications of success from the server, if it knows RFC 3461.
 */
void
smtp_client_message_done(struct smtp_client *c)
{
	struct outcome outcome = smtp_client_outcome_of_reply(c);

	outcome.is_handed_on = smtp_client_offers(c, SMTP_OFFER_DSN);
	c->n_transactions += c->transaction.n_open > 0;
	smtp_client_settle_all(&c->transaction, &outcome);
}

void
smtp_client_message_refused(struct smtp_client *c)
{
	smtp_client_settle_by_reply(c);
}
