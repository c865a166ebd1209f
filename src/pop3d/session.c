#include "pop3d/session.h"

#include <stdlib.h>

#include "io/clock.h"
#include "pop3d/journal.h"
#include "pop3d/session_inside.h"

enum {
	LINGER_MS = 2000,
	STOPPING_TIMEOUT_MS = 30 * 1000,
	TURN_BYTES = 256 * 1024,      /* then others have their turn */
	REFUSED_SESSIONS_LOGGED = 20, /* a second */
};

/* --- its end --- */

static void
on_closed(struct wire *wire)
{
	free(wire->owner);
}

static void
log_session(const struct session *s)
{
	const struct journal_session session = {
		.peer = bytes_of(s->peer),
		.user = bytes_of(s->user),
		.tls = s->wire.tls ? bytes_of(tls_description(s->wire.tls))
		                   : BYTES(""),
		.n_messages = s->n_messages,
		.n_fetched = s->n_fetched,
		.octets_fetched = s->octets_fetched,
		.n_removed = s->n_removed,
		.n_failed = s->n_failed,
		.ms = clock_monotonic_ms() - s->began_ms,
	};

	journal_session(&session);
}

/* All but the connection. */
static void
release(struct session *s)
{
	if (s->state == SESSION_OPEN) {
		if (s->is_listed)
			log_session(s);
		pop3_server_finish(&s->pop3);
	}
	session_forget_questions(s);
	free(s->user);
	s->user = NULL;
	policy_drop(s->policy);
	s->policy = NULL;
}

static void
close_session(struct session *s)
{
	struct worker *w = s->worker;

	if (s->state == SESSION_CLOSED)
		return;
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

static void
renew_deadline(struct session *s)
{
	uint64_t ms = s->policy->timeout_ms;

	if (s->worker->is_stopping && ms > STOPPING_TIMEOUT_MS)
		ms = STOPPING_TIMEOUT_MS;
	s->deadline_ms = clock_monotonic_ms() + ms;
}

/* What he asked to be removed is removed all the same: QUIT came. */
static void
client_gone(struct session *s)
{
	s->has_ended = true;
	if (!s->is_updating)
		pop3_server_gone(&s->pop3);
}

static void
on_sent(struct wire *wire, bool is_gone)
{
	struct session *s = wire->owner;

	s->turn_bytes = 0;
	if (is_gone)
		client_gone(s);
	session_pump(s);
}

/* True when nothing is left to be sent. */
static bool
flush(struct session *s)
{
	struct bytes     output = pop3_server_output(&s->pop3);
	enum wire_result result;

	if (output.n == 0)
		return true;
	result = wire_send(&s->wire, output);
	renew_deadline(s);
	s->turn_bytes += output.n;
	pop3_server_sent(&s->pop3, output.n);
	if (result == WIRE_GONE)
		client_gone(s);
	else if (s->turn_bytes >= TURN_BYTES)
		wire_yield(&s->wire);
	return result == WIRE_SENT;
}

/* --- the story --- */

/* The client is gone, and what he sent before was done. */
static bool
leaves(struct session *s, bool is_waiting)
{
	if (!s->has_ended)
		return false;
	if (is_waiting && (!session_is_logging_in(s) ||
	                      pop3_server_room(&s->pop3) < POP3_INPUT_MAX))
		return false;
	pop3_server_gone(&s->pop3);
	return true;
}

static void
run(struct session *s)
{
	while (s->state == SESSION_OPEN && !wire_is_sending(&s->wire)) {
		switch (pop3_server_next(&s->pop3)) {
		case POP3_ASK_LOGIN:
			session_ask_login(s);
			break;
		case POP3_ASK_MESSAGE:
			session_ask_message(s);
			break;
		case POP3_ASK_TEXT:
			session_give_text(s);
			break;
		case POP3_MESSAGE_DONE: /* it may be wanted again: TOP, then RETR */
			break;
		case POP3_ASK_UPDATE:
			session_ask_update(s);
			break;
		case POP3_FLUSH:
			flush(s);
			break;
		case POP3_WAIT:
			if (flush(s) && !leaves(s, true))
				return;
			break;
		case POP3_MORE:
			if (flush(s) && !leaves(s, false))
				return;
			break;
		case POP3_CLOSE:
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

	return s->state == SESSION_OPEN ? pop3_server_room(&s->pop3) : 0;
}

/* An open question does not stop us: who leaves meanwhile is noticed. */
void
session_pump(struct session *s)
{
	run(s);
	if (s->state == SESSION_OPEN)
		wire_read(&s->wire, pop3_server_room(&s->pop3) > 0);
}

static void
on_input(struct wire *wire, struct bytes text)
{
	struct session *s = wire->owner;

	s->turn_bytes = 0;
	pop3_server_feed(&s->pop3, text);
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
	if (is_reset)
		client_gone(s);
	session_pump(s);
}

static void
on_secured(struct wire *wire)
{
	struct session *s = wire->owner;

	s->state = SESSION_OPEN;
	pop3_server_init(&s->pop3, &s->policy->pop3);
	if (s->refusal)
		pop3_server_refuse(&s->pop3, bytes_of(s->refusal));
	else
		pop3_server_greet(&s->pop3);
	session_pump(s);
}

/* --- its beginning --- */

static void
on_connect(bool try_later, bool allowed, bool inside, void *context)
{
	struct session *s = context;

	(void)inside;
	s->question = NULL;
	if (try_later)
		s->refusal = "mail server cannot answer now; come back later";
	else if (!allowed)
		s->refusal = "you may not connect to this server";
	s->state = SESSION_SECURING;
	s->deadline_ms = clock_monotonic_ms() + s->policy->handshake_timeout_ms;
	if (!wire_secure(&s->wire, s->policy->tls))
		close_session(s);
}

/* Not worth a handshake. */
static void
refuse(struct session *s, enum limits_result result)
{
	static const char *const why[] = {
		[LIMITS_TOO_MANY] = "too many sessions",
		[LIMITS_TOO_MANY_OF_THEM] = "too many sessions from this address",
	};

	s->state = SESSION_CLOSED;
	wire_close(&s->wire);
	if (s->worker->n_refused++ < REFUSED_SESSIONS_LOGGED)
		journal_session_refused(bytes_of(s->peer), why[result]);
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
	static const struct wire_calls calls = {
		.room = room,
		.input = on_input,
		.ended = on_ended,
		.sent = on_sent,
		.secured = on_secured,
		.closed = on_closed,
	};
	struct session    *s = calloc(1, sizeof *s);
	enum limits_result result;

	if (s == NULL)
		return false;
	s->worker = w;
	s->mailbox = -1;
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
	if (session_is_asking(s, now) || now < s->deadline_ms)
		return;
	if (s->state != SESSION_OPEN || wire_is_sending(&s->wire)) {
		close_session(s); /* it hears nothing, or not yet */
		return;
	}
	pop3_server_timeout(&s->pop3);
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
			pop3_server_shutdown(&s->pop3);
			renew_deadline(s);
			session_pump(s);
		}
	}
}
