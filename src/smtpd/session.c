#include "smtpd/session.h"

#include <stdlib.h>

#include "io/clock.h"
#include "smtpd/journal.h"
#include "smtpd/session_inside.h"

enum {
	LINGER_MS = 2000,
	STOPPING_TIMEOUT_MS = 30 * 1000,
	REFUSALS_LOGGED = 100,       /* of one session */
	REFUSED_SESSIONS_LOGGED = 20, /* a second */
};

static const struct wire_calls calls;

/* --- its end --- */

static void
on_closed(struct wire *wire)
{
	free(wire->owner);
}

/* All but the connection. */
static void
release(struct session *s)
{
	session_forget_questions(s);
	session_discard_message(s);
	if (s->state == SESSION_SECURING || s->state == SESSION_OPEN)
		smtp_server_finish(&s->smtp);
	policy_drop(s->policy);
	s->policy = NULL;
}

static void
close_session(struct session *s)
{
	struct worker *w = s->worker;

	release(s);
	s->state = SESSION_CLOSED;
	if (s->before)
		s->before->next = s->next;
	else
		w->sessions = s->next;
	if (s->next)
		s->next->before = s->before;
	limits_leave(&w->limits, s->address);
	wire_close(&s->wire);
	worker_session_ended(w);
}

/*
 * Closing while the client still sends would reset the connection, and with that
 * the reply could be lost to him: first he is to hear that we are done.
 */
static void
linger(struct session *s)
{
	if (s->has_ended) {
		close_session(s);
		return;
	}
	release(s);
	s->state = SESSION_LINGERING;
	s->deadline_ms = clock_monotonic_ms() + LINGER_MS;
	wire_end(&s->wire);
	wire_read(&s->wire, true);
}

/* --- output --- */

/* A transaction may come to its end when we stop, but not sleep until then. */
static void
renew_deadline(struct session *s)
{
	uint64_t ms = smtp_server_is_in_data(&s->smtp)
	    ? s->policy->data_timeout_ms
	    : s->policy->command_timeout_ms;

	if (s->commit) /* which has its own, whatever is sent meanwhile */
		return;
	if (s->worker->is_stopping && ms > STOPPING_TIMEOUT_MS)
		ms = STOPPING_TIMEOUT_MS;
	s->deadline_ms = clock_monotonic_ms() + ms;
}

static void
client_gone(struct session *s)
{
	s->has_ended = true;
	smtp_server_gone(&s->smtp);
}

static void
on_sent(struct wire *wire, bool is_gone)
{
	struct session *s = wire->owner;

	if (is_gone)
		client_gone(s);
	session_pump(s);
}

/* True when nothing is left to be sent. */
static bool
flush(struct session *s)
{
	struct bytes     output = smtp_server_output(&s->smtp);
	enum wire_result result = wire_send(&s->wire, output);

	if (output.n > 0)
		renew_deadline(s);
	if (result == WIRE_GONE)
		client_gone(s);
	else
		smtp_server_sent(&s->smtp, output.n);
	return result == WIRE_SENT;
}

/* --- TLS --- */

/* The engine waits, and nothing is read in the clear any more. */
static void
begin_handshake(struct session *s)
{
	s->state = SESSION_SECURING;
	s->secures = false;
	s->deadline_ms = clock_monotonic_ms() + s->policy->handshake_timeout_ms;
	if (!wire_secure(&s->wire, s->policy->tls))
		close_session(s);
}

static void
greet(struct session *s)
{
	if (s->refusal)
		smtp_server_refuse(&s->smtp, *s->refusal);
	else
		smtp_server_greet(&s->smtp);
}

static void
on_secured(struct wire *wire)
{
	struct session *s = wire->owner;

	s->state = SESSION_OPEN;
	smtp_server_secured(&s->smtp, bytes_of(tls_description(wire->tls)));
	if (s->policy->smtp.tls == LISTENER_TLS)
		greet(s);
	renew_deadline(s);
	session_pump(s);
}

/* --- the story --- */

/*
 * The client is gone, and what he sent before was done. Behind an open question some
 * of it may still wait; without that, nobody waits for the answer.
 */
static bool
leaves(struct session *s, bool is_waiting)
{
	if (!s->has_ended ||
	    (is_waiting && smtp_server_room(&s->smtp) < SMTP_INPUT_MAX))
		return false;
	smtp_server_gone(&s->smtp);
	return true;
}

static void
run(struct session *s)
{
	while (s->state == SESSION_OPEN && !wire_is_sending(&s->wire)) {
		switch (smtp_server_next(&s->smtp)) {
		case SMTP_ASK_AUTH:
			session_ask_auth(s);
			break;
		case SMTP_ASK_SENDER:
			session_ask_sender(s);
			break;
		case SMTP_ASK_RECIPIENT:
			session_ask_recipient(s);
			break;
		case SMTP_ASK_DATA:
			session_open_message(s);
			break;
		case SMTP_BODY:
			session_store_body(s);
			break;
		case SMTP_COMMIT:
			session_commit(s);
			break;
		case SMTP_DISCARD:
			session_discard_message(s);
			break;
		case SMTP_FLUSH:
			flush(s);
			break;
		case SMTP_WAIT:
			/* Lookup is quick: one packet brings all the replies. */
			if ((s->question || flush(s)) && !leaves(s, true)) {
				if (!s->secures)
					return;
				begin_handshake(s);
			}
			break;
		case SMTP_MORE:
			if (flush(s) && !leaves(s, false))
				return;
			break;
		case SMTP_HANDSHAKE: /* once the answer is out */
			s->secures = true;
			break;
		case SMTP_CLOSE:
			if (flush(s))
				linger(s);
			break;
		}
	}
}

/* --- input --- */

static size_t
room(const struct wire *wire)
{
	const struct session *s = wire->owner;

	return s->state == SESSION_OPEN ? smtp_server_room(&s->smtp) : 0;
}

/* An open question does not stop us: who leaves during the filters is noticed. */
void
session_pump(struct session *s)
{
	run(s);
	if (s->state == SESSION_OPEN)
		wire_read(&s->wire, smtp_server_room(&s->smtp) > 0);
}

static void
on_input(struct wire *wire, struct bytes text)
{
	struct session *s = wire->owner;

	smtp_server_feed(&s->smtp, text);
	if (smtp_server_is_in_data(&s->smtp))
		renew_deadline(s);
	session_pump(s);
}

static void
on_ended(struct wire *wire, bool is_reset)
{
	struct session *s = wire->owner;

	s->has_ended = true;
	if (s->state != SESSION_OPEN) { /* in the handshake, or lingering */
		close_session(s);
		return;
	}
	if (is_reset) /* what waits is void */
		smtp_server_gone(&s->smtp);
	session_pump(s);
}

static const struct wire_calls calls = {
	.room = room,
	.input = on_input,
	.ended = on_ended,
	.sent = on_sent,
	.secured = on_secured,
	.closed = on_closed,
};

/* --- its beginning --- */

/*
 * Who only mistypes is not worth a line. Many refusals in one session say nothing new, and
 * the disk of the log is not the client's.
 */
static void
on_refused(const struct smtp_refusal *refusal, void *context)
{
	struct session *s = context;
	unsigned        code = refusal->reply.code;
	bool is_syntax = code >= 500 && code <= 504 && refusal->recipient.n == 0;

	if ((is_syntax && !refusal->closes) || s->worker->is_stopping ||
	    s->n_refusals >= REFUSALS_LOGGED)
		return;
	s->n_refusals++;
	journal_refusal(bytes_of(s->peer), smtp_server_authenticated(&s->smtp),
	    refusal);
}

static void
on_connect(bool try_later, bool allowed, bool inside, void *context)
{
	static const struct smtp_reply cannot_answer = { 421, { 4, 3, 0 },
		BYTES_INIT("mail server cannot answer now; come back later") };
	static const struct smtp_reply not_allowed = { 554, { 5, 7, 1 },
		BYTES_INIT("you may not connect to this server") };
	struct session *s = context;

	s->question = NULL;
	if (try_later)
		s->refusal = &cannot_answer;
	else if (!allowed)
		s->refusal = &not_allowed;
	smtp_server_init(&s->smtp, &s->policy->smtp, bytes_of(s->peer), BYTES(""),
	    !try_later && inside);
	smtp_server_watch(&s->smtp, on_refused, s);
	if (s->policy->smtp.tls == LISTENER_TLS) {
		begin_handshake(s);
		return;
	}
	s->state = SESSION_OPEN;
	renew_deadline(s);
	greet(s);
	session_pump(s);
}

static void
refuse(struct session *s, enum limits_result result)
{
	static const struct {
		struct bytes reply;
		const char  *why;
	} refusals[] = {
		[LIMITS_TOO_MANY] = {
		    BYTES_INIT("421 4.3.2 too many sessions; come back later\r\n"),
		    "too many sessions" },
		[LIMITS_TOO_MANY_OF_THEM] = {
		    BYTES_INIT("421 4.7.0 too many sessions from your address\r\n"),
		    "too many sessions from this address" },
	};

	/*
	 * The first bytes of a connection always find room. Who expects TLS would not
	 * understand them, and a handshake costs more than he is worth.
	 */
	if (s->worker->policy->smtp.tls != LISTENER_TLS)
		wire_send(&s->wire, refusals[result].reply);
	s->state = SESSION_CLOSED;
	wire_close(&s->wire);
	if (s->worker->n_refused++ < REFUSED_SESSIONS_LOGGED)
		journal_session_refused(
		    bytes_of(s->peer), 421, refusals[result].why);
}

static void
enter(struct session *s)
{
	struct worker *w = s->worker;

	s->policy = policy_hold(w->policy);
	s->began_ms = clock_monotonic_ms();
	s->next = w->sessions;
	if (s->next)
		s->next->before = s;
	w->sessions = s;
	worker_session_began(w);
	s->question = lookup_connect(
	    w->lookup, w->listener, bytes_of(s->peer), on_connect, s);
	if (s->question == NULL)
		on_connect(true, false, false, s);
}

bool
session_begin(struct worker *w, uv_stream_t *listening)
{
	struct session    *s = calloc(1, sizeof *s);
	enum limits_result result;

	if (s == NULL)
		return false;
	s->worker = w;
	message_init(&s->message);
	if (!wire_accept(&s->wire, w->loop, listening, &calls, s) ||
	    !wire_peer(&s->wire, s->address, s->peer)) {
		wire_close(&s->wire);
		return true;
	}
	result = limits_enter(&w->limits, s->address);
	if (result == LIMITS_ENTERED)
		enter(s);
	else
		refuse(s, result);
	return true;
}

/* --- time --- */

static void
check_deadline(struct session *s, uint64_t now)
{
	bool is_late = now >= s->deadline_ms;

	if (session_is_asking(s))
		return;
	if (s->commit) {
		if (is_late) {
			session_give_up_commit(s);
			session_pump(s);
		}
		return;
	}
	if (s->state == SESSION_OPEN &&
	    now - s->began_ms >= s->policy->session_timeout_ms)
		is_late = true;
	if (!is_late)
		return;
	if (s->state != SESSION_OPEN || wire_is_sending(&s->wire)) {
		close_session(s); /* it hears nothing, or not yet */
		return;
	}
	smtp_server_timeout(&s->smtp);
	session_pump(s);
}

void
sessions_check_deadlines(struct session *first, uint64_t now_ms)
{
	struct session *next;

	for (struct session *s = first; s; s = next) {
		next = s->next;
		check_deadline(s, now_ms);
	}
}

void
sessions_shut_down(struct session *first)
{
	struct session *next;

	for (struct session *s = first; s; s = next) {
		next = s->next;
		if (s->state == SESSION_CONNECTING ||
		    s->state == SESSION_SECURING) {
			close_session(s);
		} else if (s->state == SESSION_OPEN) {
			smtp_server_shutdown(&s->smtp);
			renew_deadline(s);
			session_pump(s);
		}
	}
}
