#include "proto/smtp_server.h"

#include "proto/smtp_server_private.h"

#include "base/printable.h"
#include "proto/dsn_parameter.h"
#include "proto/smtp_received.h"

enum { OUTPUT_MAX = 4 * SMTP_OUTPUT_HIGH };

static size_t
larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

void
smtp_server_init(struct smtp_server *s, const struct smtp_policy *policy,
    struct bytes peer_address, struct bytes peer_name, bool may_relay)
{
	*s = (struct smtp_server){
		.policy = policy,
		.peer_address = peer_address,
		.peer_name = peer_name,
		.may_relay = may_relay,
		.size_max = policy->size_max,
	};
	buf_init(&s->in, SMTP_INPUT_MAX);
	buf_init(&s->out, OUTPUT_MAX);
	buf_init(&s->helo, SMTP_HELO_MAX);
	buf_init(&s->tls, SMTP_TLS_MAX);
	buf_init(&s->user, SASL_USER_MAX);
	buf_init(&s->suffix, SMTP_SUFFIX_MAX);
	buf_init(&s->sender, SMTP_LINE_MAX);
	buf_init(&s->recipient, SMTP_LINE_MAX);
	buf_init(&s->original, SMTP_LINE_MAX);
	buf_init(&s->orcpt, DSN_ORCPT_MAX);
	buf_init(&s->decoded, SMTP_BODY_CHUNK);
	buf_init(&s->body, SMTP_BODY_CHUNK);
	smtp_transaction_init(&s->transaction,
	    policy->is_local ? larger(policy->recipients_max, SMTP_QUEUE_RECIPIENTS_MAX)
	                     : policy->recipients_max);
}

/* Everything that a session without a transaction does not need. */
static void
release_transaction(struct smtp_server *s)
{
	smtp_transaction_reset(&s->transaction);
	buf_finish(&s->sender);
	buf_finish(&s->recipient);
	buf_finish(&s->original);
	buf_finish(&s->orcpt);
	buf_finish(&s->decoded);
	buf_finish(&s->body);
	s->body_shown = false;
}

/* It may have held a password. */
static void
release_input(struct smtp_server *s)
{
	buf_wipe(&s->in);
	s->in_used = 0;
}

void
smtp_server_finish(struct smtp_server *s)
{
	release_transaction(s);
	release_input(s);
	sasl_finish(&s->sasl);
	buf_finish(&s->out);
	buf_finish(&s->helo);
	buf_finish(&s->tls);
	buf_finish(&s->user);
	buf_finish(&s->suffix);
}

void
smtp_server_watch(struct smtp_server *s, smtp_refused *refused, void *context)
{
	s->refused = refused;
	s->refused_context = context;
}

void
smtp_server_grant(struct smtp_server *s, struct bytes suffix, uint64_t size_max)
{
	if (s->state != SMTP_STATE_NEW)
		return;
	buf_clear(&s->suffix);
	buf_add_bytes(&s->suffix, suffix);
	s->size_max = size_max;
}

static void
count_error(struct smtp_server *s, const struct smtp_reply *reply)
{
	if (reply->code >= 500)
		s->errors++;
}

static void
tell_refusal(struct smtp_server *s, struct smtp_reply reply, struct bytes recipient)
{
	const struct smtp_refusal refusal = {
		.reply = reply,
		.recipient = recipient,
		.envelope = s->transaction.is_open ? &s->transaction.envelope : NULL,
		.closes = s->state == SMTP_STATE_CLOSING,
	};

	if (s->refused && reply.code >= 400)
		s->refused(&refusal, s->refused_context);
}

void
smtp_server_reply(struct smtp_server *s, struct smtp_reply reply)
{
	smtp_reply_add(&s->out, &reply);
	count_error(s, &reply);
	tell_refusal(s, reply, BYTES(""));
}

void
smtp_server_reply_recipient(struct smtp_server *s, struct smtp_reply reply)
{
	struct smtp_reply full = reply;
	struct buf        text;

	buf_init(&text, SMTP_REPLY_MAX);
	buf_add_char(&text, '<');
	printable_add(&text, buf_bytes(&s->original), ADDRESS_MAX);
	buf_add_string(&text, ">: ");
	buf_add_bytes(&text, reply.text);
	full.text = buf_bytes(&text);
	s->out.failed |= text.failed;
	smtp_reply_add(&s->out, &full);
	buf_finish(&text);
	count_error(s, &reply);
	tell_refusal(s, reply, buf_bytes(&s->original));
}

void
smtp_server_ask(struct smtp_server *s, enum smtp_question question)
{
	s->question = (int)question;
	s->is_asked = false;
}

void
smtp_server_open_transaction(struct smtp_server *s)
{
	s->state = SMTP_STATE_OPEN;
	smtp_server_reply(s, SMTP_REPLY(250, 2, 1, 0, "ok"));
}

void
smtp_server_end_transaction(struct smtp_server *s)
{
	s->discard_due |= s->has_file;
	s->has_file = false;
	s->is_chunked = false;
	s->question = SMTP_NO_QUESTION;
	s->state = SMTP_STATE_READY;
	release_transaction(s);
}

static void
end_silently(struct smtp_server *s)
{
	smtp_server_end_transaction(s);
	sasl_finish(&s->sasl);
	release_input(s);
	s->state = SMTP_STATE_CLOSING;
}

void
smtp_server_end(struct smtp_server *s, struct smtp_reply reply)
{
	if (s->state == SMTP_STATE_CLOSING)
		return;
	s->state = SMTP_STATE_CLOSING;
	smtp_server_reply(s, reply); /* whoever watches still sees the transaction */
	end_silently(s);
}

/* --- how a session begins and ends --- */

void
smtp_server_greet(struct smtp_server *s)
{
	if (s->state != SMTP_STATE_NEW)
		return;
	s->state = SMTP_STATE_START;
	buf_addf(&s->out, "220 %.*s ESMTP\r\n",
	    BYTES_ARG(s->policy->greeting.n > 0 ? s->policy->greeting
	                                        : s->policy->hostname));
}

void
smtp_server_refuse(struct smtp_server *s, struct smtp_reply reply)
{
	smtp_server_end(s, reply);
}

void
smtp_server_timeout(struct smtp_server *s)
{
	smtp_server_end(s, SMTP_REPLY(421, 4, 4, 2, "you took too long; closing"));
}

void
smtp_server_shutdown(struct smtp_server *s)
{
	s->stopping = true;
}

void
smtp_server_gone(struct smtp_server *s)
{
	end_silently(s);
	buf_finish(&s->out);
}

/* What ends a session whatever it is doing. */
static void
check_limits(struct smtp_server *s)
{
	bool is_idle = !smtp_server_is_in_transaction(s);

	if (s->in.failed || s->out.failed || s->suffix.failed ||
	    s->decoded.failed || s->body.failed) {
		s->out.failed = false;
		smtp_server_end(s, SMTP_REPLY(421, 4, 3, 0, "out of memory; closing"));
	} else if (s->errors > 0 && s->errors >= s->policy->errors_max) {
		smtp_server_end(s, SMTP_REPLY(421, 4, 7, 0, "too many errors; closing"));
	} else if (s->stopping && is_idle) {
		smtp_server_end(
		    s, SMTP_REPLY(421, 4, 3, 2, "the service stops; come back later"));
	}
}

/* --- input and output --- */

size_t
smtp_server_room(const struct smtp_server *s)
{
	return SMTP_INPUT_MAX - (s->in.len - s->in_used);
}

/* Growing by itself the buffer could leave a copy of a password behind. */
static void
make_room(struct smtp_server *s, size_t n)
{
	struct buf bigger;

	if (n < s->in.cap - s->in.len)
		return;
	buf_init(&bigger, SMTP_INPUT_MAX);
	buf_room(&bigger, s->in.len + n);
	buf_add_bytes(&bigger, buf_bytes(&s->in));
	buf_wipe(&s->in);
	s->in = bigger;
}

void
smtp_server_feed(struct smtp_server *s, struct bytes input)
{
	if (s->state == SMTP_STATE_CLOSING || input.n == 0 ||
	    smtp_starttls_forbids_input(s))
		return;
	if (input.n > smtp_server_room(s)) {
		smtp_server_end(
		    s, SMTP_REPLY(421, 4, 3, 0, "too much input at once; closing"));
		return;
	}
	buf_drop(&s->in, s->in_used);
	s->in_used = 0;
	make_room(s, input.n);
	buf_add_bytes(&s->in, input);
}

static struct bytes
unused_input(const struct smtp_server *s)
{
	return bytes_from(buf_bytes(&s->in), s->in_used);
}

bool
smtp_server_has_input(const struct smtp_server *s)
{
	return unused_input(s).n > 0;
}

struct bytes
smtp_server_output(const struct smtp_server *s)
{
	return buf_bytes(&s->out);
}

void
smtp_server_sent(struct smtp_server *s, size_t n)
{
	buf_drop(&s->out, n);
	if (s->out.len == 0)
		buf_finish(&s->out);
}

/* --- steps: each consumes some input, false when there is not enough of it --- */

static enum smtp_line_kind
line_kind(const struct smtp_server *s)
{
	if (s->state == SMTP_STATE_AUTH)
		return SMTP_LINE_RESPONSE;
	return smtp_auth_is_offered(s) ? SMTP_LINE_COMMAND_OR_AUTH : SMTP_LINE_COMMAND;
}

static void
take_line(struct smtp_server *s, struct bytes line)
{
	if (s->state == SMTP_STATE_AUTH)
		smtp_auth_line(s, line);
	else
		smtp_dialog_command(s, line);
}

/* An exchange of SASL does not outlive it. */
static void
refuse_long_line(struct smtp_server *s)
{
	if (s->state == SMTP_STATE_AUTH)
		smtp_auth_over(s);
	smtp_server_reply(s, SMTP_REPLY(500, 5, 5, 6, "line too long"));
}

static bool
command_step(struct smtp_server *s)
{
	struct bytes rest = unused_input(s);
	struct bytes line;
	bool         more = true;

	switch (smtp_line_next(&s->line, line_kind(s), &rest, &line)) {
	case SMTP_LINE_MORE:
		more = false;
		break;
	case SMTP_LINE_OK:
		s->in_used = s->in.len - rest.n;
		take_line(s, line);
		return true;
	case SMTP_LINE_TOO_LONG:
		refuse_long_line(s);
		break;
	case SMTP_LINE_BARE_LF:
		smtp_server_end(s,
		    SMTP_REPLY(500, 5, 5, 2, "a line ends with CR LF; closing"));
		return true;
	}
	s->in_used = s->in.len - rest.n;
	return more;
}

static bool
step(struct smtp_server *s)
{
	struct bytes rest = unused_input(s);

	if (s->state == SMTP_STATE_DATA_END) {
		smtp_intake_judge(s);
		return true;
	}
	if (s->state == SMTP_STATE_CHUNK && s->bdat.octets == 0) {
		smtp_intake_end_chunk(s);
		return true;
	}
	if (!smtp_server_is_in_data(s))
		return command_step(s);
	s->in_used += smtp_intake_feed(s, rest);
	return rest.n > 0;
}

/* --- events --- */

static void
drop_shown_body(struct smtp_server *s)
{
	if (s->body_shown)
		buf_clear(&s->body);
	s->body_shown = false;
}

/* The question, the first time; then that it is open. */
static enum smtp_event
question_event(struct smtp_server *s)
{
	static const enum smtp_event events[] = {
		[SMTP_QUESTION_HANDSHAKE] = SMTP_HANDSHAKE,
		[SMTP_QUESTION_AUTH] = SMTP_ASK_AUTH,
		[SMTP_QUESTION_SENDER] = SMTP_ASK_SENDER,
		[SMTP_QUESTION_RECIPIENT] = SMTP_ASK_RECIPIENT,
		[SMTP_QUESTION_VERIFY] = SMTP_ASK_RECIPIENT,
		[SMTP_QUESTION_DATA] = SMTP_ASK_DATA,
		[SMTP_QUESTION_COMMIT] = SMTP_COMMIT,
	};

	if (s->is_asked)
		return SMTP_WAIT;
	s->is_asked = true;
	return events[s->question];
}

static enum smtp_event
body_event(struct smtp_server *s)
{
	s->body_shown = true;
	s->transaction.envelope.size_bytes += s->body.len;
	return SMTP_BODY;
}

/* What the driver has to do before anything else; MORE when nothing. */
static enum smtp_event
due_event(struct smtp_server *s)
{
	if (s->discard_due) {
		s->discard_due = false;
		return SMTP_DISCARD;
	}
	if (s->state == SMTP_STATE_CLOSING)
		return SMTP_CLOSE;
	if (s->state == SMTP_STATE_NEW)
		return SMTP_WAIT;
	if (s->question != SMTP_NO_QUESTION)
		return question_event(s);
	if (s->body.len > 0)
		return body_event(s);
	return s->out.len >= SMTP_OUTPUT_HIGH ? SMTP_FLUSH : SMTP_MORE;
}

enum smtp_event
smtp_server_next(struct smtp_server *s)
{
	enum smtp_event event;

	drop_shown_body(s);
	do {
		check_limits(s);
		event = due_event(s);
		if (event != SMTP_MORE)
			return event;
	} while (step(s));
	if (unused_input(s).n == 0 && !smtp_server_is_in_data(s))
		release_input(s);
	return SMTP_MORE;
}

/* --- questions and answers --- */

struct bytes
smtp_server_recipient(const struct smtp_server *s)
{
	return buf_bytes(&s->recipient);
}

void
smtp_server_accept_recipient(struct smtp_server *s)
{
	const struct envelope_recipient recipient = {
		.address = buf_bytes(&s->recipient),
		.original = buf_bytes(&s->original),
		.orcpt = buf_bytes(&s->orcpt),
		.notify = s->notify,
	};

	s->out.failed |= !smtp_transaction_add(&s->transaction, &recipient);
	smtp_server_reply(s, SMTP_REPLY(250, 2, 1, 5, "ok"));
}

void
smtp_server_answer_recipient(
    struct smtp_server *s, enum smtp_recipient_answer answer)
{
	static const struct smtp_reply refusals[] = {
		[SMTP_RECIPIENT_UNKNOWN] = { 550, { 5, 1, 1 },
		    BYTES_INIT("nobody of that name here") },
		[SMTP_RECIPIENT_NOT_OURS] = { 550, { 5, 7, 1 },
		    BYTES_INIT("not a domain of this server, relaying denied") },
		[SMTP_RECIPIENT_TRY_LATER] = { 451, { 4, 3, 0 },
		    BYTES_INIT("cannot be looked up now, try again later") },
		[SMTP_RECIPIENT_LIMIT] = { 450, { 4, 7, 1 },
		    BYTES_INIT("too many recipients today, try again later") },
		[SMTP_RECIPIENT_BAD_SENDER] = { 553, { 5, 7, 1 },
		    BYTES_INIT("your envelope sender is in my badmailfrom list") },
	};
	int question = s->question;

	if (question != SMTP_QUESTION_RECIPIENT && question != SMTP_QUESTION_VERIFY)
		return;
	s->question = SMTP_NO_QUESTION;
	if (question == SMTP_QUESTION_VERIFY) {
		smtp_verify_answer(s, answer);
		return;
	}
	if (answer == SMTP_RECIPIENT_OK ||
	    (answer == SMTP_RECIPIENT_NOT_OURS && s->may_relay)) {
		smtp_server_accept_recipient(s);
		return;
	}
	s->transaction.refused_some = true;
	smtp_server_reply_recipient(s, refusals[answer]);
}

/* Our field on top. How a user is known: by AUTH, or as an account. */
static void
add_received(struct smtp_server *s)
{
	const struct envelope   *e = &s->transaction.envelope;
	struct smtp_received_from from = { .is_hidden =
		    s->policy->hide_client && e->user.n > 0,
		.is_account = s->policy->is_local, .uid = s->uid };

	smtp_received_add(&s->body, s->policy->hostname, e, from);
}

void
smtp_server_answer_data(
    struct smtp_server *s, const struct id *id, uint64_t now_ms)
{
	static const struct smtp_reply trouble = { 451, { 4, 3, 0 },
		BYTES_INIT("try again later") };
	struct envelope *e = &s->transaction.envelope;

	if (s->question != SMTP_QUESTION_DATA)
		return;
	s->question = SMTP_NO_QUESTION;
	if (id == NULL) {
		if (s->is_chunked)
			smtp_bdat_refuse(s, trouble);
		else
			smtp_server_reply(s, trouble);
		return;
	}
	e->id = *id;
	e->arrival_ms = now_ms;
	s->has_file = true;
	smtp_intake_begin(s);
	add_received(s);
	if (!s->is_chunked)
		smtp_server_reply(s, SMTP_REPLY(354, 0, 0, 0,
		                         "go on, a dot on a line by itself ends it"));
}

struct bytes
smtp_server_body(const struct smtp_server *s)
{
	return buf_bytes(&s->body);
}

void
smtp_server_body_failed(struct smtp_server *s)
{
	s->body_failed = true;
	buf_clear(&s->body);
}

const struct envelope *
smtp_server_envelope(const struct smtp_server *s)
{
	return &s->transaction.envelope;
}

void
smtp_server_answer_commit(struct smtp_server *s, struct smtp_reply reply)
{
	if (s->question != SMTP_QUESTION_COMMIT)
		return;
	s->has_file = false;
	smtp_server_end_transaction(s);
	smtp_reply_add(&s->out, &reply);
	count_error(s, &reply);
}

bool
smtp_server_is_in_data(const struct smtp_server *s)
{
	return s->state == SMTP_STATE_DATA || s->state == SMTP_STATE_CHUNK;
}

bool
smtp_server_is_in_transaction(const struct smtp_server *s)
{
	return s->state >= SMTP_STATE_OPEN && s->state <= SMTP_STATE_DATA_END;
}
