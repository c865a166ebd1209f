/*
 * One message: what is said of it and when, and what each reply means for its
 * recipients.
 */
#include "proto/smtp_client_private.h"

static struct smtp_client_transaction *
open_transaction(struct smtp_client *c)
{
	return &c->transaction;
}

/* --- outcomes --- */

static void
settle_one(struct smtp_client_transaction *t, struct smtp_client_recipient *r,
    const struct outcome *outcome)
{
	if (r->is_settled)
		return;
	r->is_settled = true;
	r->outcome = *outcome;
	r->outcome.text = arena_copy(
	    &t->arena, bytes_first(outcome->text, SMTP_CLIENT_TEXT_MAX));
	t->n_open--;
}

void
smtp_client_transaction_settle(struct smtp_client *c, enum outcome_kind kind,
    struct status status, struct bytes text, bool is_reply)
{
	struct smtp_client_transaction *t = open_transaction(c);
	struct outcome outcome = outcome_of(kind, status, text);

	outcome.is_reply = is_reply;
	for (size_t i = 0; i < t->out.n_recipients && t->n_open > 0; i++)
		settle_one(t, &t->recipients[i], &outcome);
}

/* What the last reply says of a recipient: 4yz later, 5yz never. */
static struct outcome
reply_outcome(const struct smtp_client *c)
{
	struct outcome o = outcome_of(
	    c->reply.code >= 500 ? OUTCOME_FAILED : OUTCOME_DEFERRED,
	    smtp_client_reply_status(&c->reply), buf_bytes(&c->reply.text));

	o.is_reply = true;
	return o;
}

static void
settle_by_reply(struct smtp_client *c)
{
	struct outcome o = reply_outcome(c);

	smtp_client_transaction_settle(c, o.kind, o.status, o.text, true);
}

struct outcome
smtp_client_outcome(const struct smtp_client *c, size_t i)
{
	const struct smtp_client_transaction *t = &c->transaction;

	if (i >= t->out.n_recipients || !t->recipients)
		return outcome_of(OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    BYTES("it was not begun"));
	return t->recipients[i].outcome;
}

bool
smtp_client_is_untried(const struct smtp_client *c)
{
	return !c->transaction.is_tried;
}

bool
smtp_client_is_in_doubt(const struct smtp_client *c)
{
	return c->transaction.is_in_doubt;
}

/* --- begin --- */

static bool
is_ascii(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > 127)
			return false;
	return true;
}

/* Whatever was accepted long ago: nothing that ends a path or a line is said in one. */
static bool
can_be_said(struct bytes address)
{
	bool is_quoted = false;

	for (size_t i = 0; i < address.n; i++) {
		unsigned char ch = (unsigned char)address.p[i];

		if (ch < ' ' || ch == 0x7f)
			return false;
		if (ch == '\\' && is_quoted && i + 1 < address.n)
			i++;
		else if (ch == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && (ch == '<' || ch == '>' || ch == ' '))
			return false;
	}
	return !is_quoted;
}

static bool
are_addresses_ascii(const struct smtp_transaction_out *out)
{
	bool all = is_ascii(out->reverse_path);

	for (size_t i = 0; i < out->n_recipients; i++)
		all = all && is_ascii(out->recipients[i].address);
	return all;
}

static bool
can_all_be_said(const struct smtp_transaction_out *out)
{
	bool all = can_be_said(out->reverse_path);

	for (size_t i = 0; i < out->n_recipients; i++)
		all = all && out->recipients[i].address.n > 0 &&
		    can_be_said(out->recipients[i].address);
	return all;
}

struct refusal {
	struct status status;
	const char   *text;
};

/* What that server cannot take is not tried. NULL: it can. */
static const struct refusal *
find_refusal(const struct smtp_client *c)
{
	static const struct refusal size = { { 5, 3, 4 },
		"the message is larger than that server takes" };
	static const struct refusal utf8 = { { 5, 6, 7 },
		"the message needs SMTPUTF8, which that server does not offer" };
	static const struct refusal eight = { { 5, 6, 3 },
		"the message has 8-bit data, and that server does not offer "
		"8BITMIME" };
	static const struct refusal path = { { 5, 1, 3 },
		"an address cannot be said in SMTP" };
	const struct smtp_client_transaction *t = &c->transaction;

	if (!can_all_be_said(&t->out))
		return &path;
	if (c->offers.size_max > 0 && t->out.size_bytes > c->offers.size_max)
		return &size;
	if (t->needs_utf8 && !smtp_client_offers(c, SMTP_OFFER_SMTPUTF8))
		return &utf8;
	if (t->out.has_8bit && !smtp_client_offers(c, SMTP_OFFER_8BITMIME))
		return &eight;
	return NULL;
}

static void
finish_transaction(struct smtp_client *c)
{
	c->state = SMTP_CLIENT_STATE_READY;
	c->done_due = true;
}

void
smtp_client_begin(struct smtp_client *c, const struct smtp_transaction_out *out)
{
	struct smtp_client_transaction *t = open_transaction(c);
	struct arena                    arena = t->arena;
	const struct refusal           *refusal;

	if (c->state == SMTP_CLIENT_STATE_CLOSED)
		return;
	arena_reset(&arena);
	*t = (struct smtp_client_transaction){ .out = *out, .arena = arena };
	t->recipients = arena_alloc(
	    &t->arena, out->n_recipients * sizeof *t->recipients);
	if (t->recipients == NULL) {
		t->out.n_recipients = 0;
		smtp_client_part(c, SMTP_CLIENT_FAULT_LOST, STATUS(4, 3, 0),
		    BYTES("no memory"));
		return;
	}
	t->n_open = out->n_recipients;
	t->needs_utf8 = out->smtputf8 || !are_addresses_ascii(out);
	t->is_chunked = smtp_client_offers(c, SMTP_OFFER_CHUNKING) &&
	    smtp_client_offers(c, SMTP_OFFER_PIPELINING);
	c->state = SMTP_CLIENT_STATE_TRANSACTION;
	refusal = find_refusal(c);
	if (refusal == NULL)
		return;
	t->is_tried = true;
	smtp_client_transaction_settle(c, OUTCOME_FAILED, refusal->status,
	    bytes_of(refusal->text), false);
	finish_transaction(c);
}

/* --- what may be said --- */

/* With PIPELINING commands need not wait for replies, RFC 2920. */
static bool
may_speak(const struct smtp_client *c)
{
	return c->queue.n == 0 ||
	    (smtp_client_offers(c, SMTP_OFFER_PIPELINING) &&
	        c->queue.n < SMTP_CLIENT_RECIPIENTS_MAX);
}

static bool
say_mail(struct smtp_client *c)
{
	if (c->reset_due) {
		c->reset_due = false;
		smtp_client_say(c, "RSET", SMTP_AWAIT_RSET);
		return true;
	}
	smtp_client_envelope_mail(c);
	c->transaction.stage = SMTP_CLIENT_STAGE_RCPT;
	return true;
}

static bool
say_rcpt(struct smtp_client *c)
{
	struct smtp_client_transaction *t = open_transaction(c);

	if (t->n_open == 0 && t->n_accepted == 0)
		t->stage = SMTP_CLIENT_STAGE_END;
	else if (t->n_said == t->out.n_recipients)
		t->stage = SMTP_CLIENT_STAGE_DATA;
	else
		smtp_client_envelope_rcpt(c, t->n_said++);
	return true;
}

static bool
say_data(struct smtp_client *c)
{
	struct smtp_client_transaction *t = open_transaction(c);

	if (t->n_open == 0 && t->n_replied == t->n_said) {
		t->stage = SMTP_CLIENT_STAGE_END;
	} else if (t->is_chunked) {
		t->stage = SMTP_CLIENT_STAGE_BODY;
	} else {
		smtp_client_say(c, "DATA", SMTP_AWAIT_DATA);
		t->stage = SMTP_CLIENT_STAGE_WAIT;
	}
	return true;
}

static bool
say_end(struct smtp_client *c)
{
	if (c->queue.n > 0)
		return false;
	finish_transaction(c);
	return true;
}

bool
smtp_client_transaction_speak(struct smtp_client *c)
{
	switch (c->transaction.stage) {
	case SMTP_CLIENT_STAGE_MAIL:
		return may_speak(c) && say_mail(c);
	case SMTP_CLIENT_STAGE_RCPT:
		return may_speak(c) && say_rcpt(c);
	case SMTP_CLIENT_STAGE_DATA:
		return may_speak(c) && say_data(c);
	case SMTP_CLIENT_STAGE_WAIT:
	case SMTP_CLIENT_STAGE_BODY:
		return false;
	case SMTP_CLIENT_STAGE_END:
		break;
	}
	return say_end(c);
}

bool
smtp_client_transaction_wants_body(const struct smtp_client *c)
{
	const struct smtp_client_transaction *t = &c->transaction;

	return t->stage == SMTP_CLIENT_STAGE_BODY &&
	    (!t->is_chunked || t->n_chunks < SMTP_CLIENT_CHUNKS_MAX);
}

/* --- the message --- */

/* It is never ended: the server has nothing whole that it could keep. */
static void
break_off(struct smtp_client *c, enum outcome_kind kind, struct status status,
    struct bytes text)
{
	smtp_client_transaction_settle(c, kind, status, text, false);
	smtp_client_end(c, SMTP_CLIENT_FAULT_NONE, status, text);
}

void
smtp_client_abort(struct smtp_client *c)
{
	if (c->state == SMTP_CLIENT_STATE_TRANSACTION)
		break_off(c, OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    BYTES("the message could not be read here"));
}

/* False: it must not go out, and the connection has ended. */
static bool
check_piece(struct smtp_client *c, struct bytes text, bool is_last)
{
	struct smtp_client_transaction *t = open_transaction(c);
	uint64_t                        size = t->data.size_bytes + text.n;

	switch (smtp_client_data_check(&t->data, text, is_last)) {
	case SMTP_CLIENT_DATA_BARE_CR:
		break_off(c, OUTCOME_FAILED, STATUS(5, 6, 0),
		    BYTES("the message holds a CR that ends no line; it cannot be "
		          "sent by SMTP"));
		return false;
	case SMTP_CLIENT_DATA_NUL:
		break_off(c, OUTCOME_FAILED, STATUS(5, 6, 0),
		    BYTES("the message holds a NUL; it cannot be sent by SMTP"));
		return false;
	case SMTP_CLIENT_DATA_FINE:
		break;
	}
	if (size <= t->out.size_bytes &&
	    (!is_last || size == t->out.size_bytes))
		return true;
	smtp_client_abort(c);
	return false;
}

static void
add_chunk(struct smtp_client *c, struct bytes text, bool is_last)
{
	struct smtp_client_transaction *t = open_transaction(c);

	buf_addf(&c->out, "BDAT %zu%s\r\n",
	    smtp_client_data_size(&t->data, text, is_last),
	    is_last ? " LAST" : "");
	smtp_client_data_add(&t->data, text, is_last, false, &c->out);
	t->n_chunks++;
	smtp_client_await(
	    c, is_last ? SMTP_AWAIT_LAST_CHUNK : SMTP_AWAIT_CHUNK);
}

void
smtp_client_body(struct smtp_client *c, struct bytes text, bool is_last)
{
	struct smtp_client_transaction *t = open_transaction(c);

	if (c->state != SMTP_CLIENT_STATE_TRANSACTION ||
	    t->stage != SMTP_CLIENT_STAGE_BODY || !check_piece(c, text, is_last))
		return;
	if (t->is_chunked)
		add_chunk(c, text, is_last);
	else
		smtp_client_data_add(&t->data, text, is_last, true, &c->out);
	if (!is_last)
		return;
	if (!t->is_chunked)
		smtp_client_say(c, ".", SMTP_AWAIT_END);
	t->is_ended = true;
	t->stage = SMTP_CLIENT_STAGE_END;
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
	open_transaction(c)->is_tried = true;
}

/* What was sent behind it is refused as well; those replies tell nobody anything. */
void
smtp_client_mail_refused(struct smtp_client *c)
{
	open_transaction(c)->is_tried = true;
	settle_by_reply(c);
}

/* Nobody takes it: no more of it goes out. */
static void
stop_if_unwanted(struct smtp_client *c)
{
	struct smtp_client_transaction *t = open_transaction(c);

	if (t->n_accepted == 0 && t->n_replied == t->n_said &&
	    t->n_said == t->out.n_recipients &&
	    t->stage == SMTP_CLIENT_STAGE_BODY) {
		t->stage = SMTP_CLIENT_STAGE_END;
		c->reset_due = true;
	}
}

void
smtp_client_rcpt_done(struct smtp_client *c)
{
	struct smtp_client_transaction *t = open_transaction(c);

	t->recipients[t->n_replied++].is_accepted = true;
	t->n_accepted++;
}

void
smtp_client_rcpt_refused(struct smtp_client *c)
{
	struct smtp_client_transaction *t = open_transaction(c);
	struct outcome                  o = reply_outcome(c);

	/* RFC 5321 section 4.5.3.1.10: too many recipients, said in the old way */
	if (c->reply.code == 552) {
		o.kind = OUTCOME_DEFERRED;
		o.status.class = 4;
	}
	settle_one(t, &t->recipients[t->n_replied++], &o);
	stop_if_unwanted(c);
}

/* RFC 2920 section 3.1: it was asked for before it was known that nobody takes it. */
void
smtp_client_data_go(struct smtp_client *c)
{
	struct smtp_client_transaction *t = open_transaction(c);

	if (t->n_open > 0) {
		t->stage = SMTP_CLIENT_STAGE_BODY;
		return;
	}
	smtp_client_say(c, ".", SMTP_AWAIT_EMPTY_END);
	t->stage = SMTP_CLIENT_STAGE_END;
}

void
smtp_client_data_refused(struct smtp_client *c)
{
	settle_by_reply(c);
	open_transaction(c)->stage = SMTP_CLIENT_STAGE_END;
	c->reset_due = true;
}

void
smtp_client_empty_end(struct smtp_client *c)
{
	c->reset_due = true;
}

void
smtp_client_chunk_done(struct smtp_client *c)
{
	open_transaction(c)->n_chunks--;
}

void
smtp_client_chunk_refused(struct smtp_client *c)
{
	open_transaction(c)->n_chunks--;
	smtp_client_data_refused(c);
}

void
smtp_client_message_done(struct smtp_client *c)
{
	struct smtp_client_transaction *t = open_transaction(c);
	struct outcome o = outcome_of(OUTCOME_DELIVERED,
	    smtp_client_reply_status(&c->reply), buf_bytes(&c->reply.text));

	o.is_reply = true;
	o.is_handed_on = smtp_client_offers(c, SMTP_OFFER_DSN);
	for (size_t i = 0; i < t->out.n_recipients; i++)
		if (t->recipients[i].is_accepted)
			settle_one(t, &t->recipients[i], &o);
	c->n_transactions++;
}

void
smtp_client_last_chunk_done(struct smtp_client *c)
{
	open_transaction(c)->n_chunks--;
	smtp_client_message_done(c);
}

void
smtp_client_message_refused(struct smtp_client *c)
{
	settle_by_reply(c);
}
