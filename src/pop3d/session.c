#include "pop3d/session.h"

#include <stdlib.h>

#include "io/clock.h"
#include "pop3d/journal.h"
#include "pop3d/session_inside.h"

enum { TURN_BYTES = 256 * 1024 }; /* then others have their turn */

/* --- its beginning and its end --- */

static void
begin(struct session *s, void *context)
{
	s->worker = context;
	s->policy = policy_hold(s->worker->policy);
	s->mailbox = -1;
}

static void
log_session(const struct session *s)
{
	const struct tls            *tls = s->client.wire.tls;
	const struct journal_session session = {
		.peer = bytes_of(s->client.peer),
		.user = bytes_of(s->user),
		.tls = tls ? bytes_of(tls_description(tls)) : BYTES(""),
		.n_messages = s->n_messages,
		.n_fetched = s->n_fetched,
		.octets_fetched = s->octets_fetched,
		.n_removed = s->n_removed,
		.n_failed = s->n_failed,
		.ms = clock_monotonic_ms() - s->client.began_ms,
	};

	journal_session(&session);
}

static void
release(struct session *s)
{
	if (s->client.state == CLIENT_OPEN) {
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

/* --- output --- */

static void
renew_deadline(struct session *s)
{
	client_set_deadline(&s->client, s->policy->timeout_ms);
}

/* What he asked to be removed is removed all the same: QUIT came. */
static void
gone(struct session *s)
{
	s->client.has_ended = true;
	if (!s->is_updating)
		pop3_server_gone(&s->pop3);
}

/* True when nothing is left to be sent. */
static bool
flush(struct session *s)
{
	struct bytes     output = pop3_server_output(&s->pop3);
	enum wire_result result;

	if (output.n == 0)
		return true;
	result = wire_send(&s->client.wire, output);
	renew_deadline(s);
	s->turn_bytes += output.n;
	pop3_server_sent(&s->pop3, output.n);
	if (result == WIRE_GONE)
		gone(s);
	else if (s->turn_bytes >= TURN_BYTES)
		wire_yield(&s->client.wire);
	if (wire_is_sending(&s->client.wire))
		s->turn_bytes = 0; /* the next ones are of another turn */
	return result == WIRE_SENT;
}

/* --- the story --- */

/* The client is gone, and what he sent before was done. */
static bool
leaves(struct session *s, bool is_waiting)
{
	if (!s->client.has_ended)
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
	while (s->client.state == CLIENT_OPEN &&
	    !wire_is_sending(&s->client.wire)) {
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
				client_linger(&s->client);
			break;
		}
	}
}

/* --- input --- */

static size_t
room(const struct session *s)
{
	return pop3_server_room(&s->pop3);
}

static void
input(struct session *s, struct bytes text)
{
	s->turn_bytes = 0;
	pop3_server_feed(&s->pop3, text);
}

/* --- who comes --- */

static void
connected(struct session *s, const struct lookup_client_rights *rights)
{
	if (rights->try_later)
		s->refusal = "mail server cannot answer now; come back later";
	else if (!rights->allowed)
		s->refusal = "you may not connect to this server";
	client_secure(
	    &s->client, s->policy->tls, s->policy->handshake_timeout_ms);
}

static void
secured(struct session *s)
{
	pop3_server_init(&s->pop3, &s->policy->pop3);
	if (s->refusal)
		pop3_server_refuse(&s->pop3, bytes_of(s->refusal));
	else
		pop3_server_greet(&s->pop3);
}

/* --- time --- */

static void
check_deadline(struct session *s, uint64_t now)
{
	if (session_is_asking(s, now) || now < s->client.deadline_ms)
		return;
	if (s->client.state != CLIENT_OPEN || wire_is_sending(&s->client.wire)) {
		client_close(&s->client); /* it hears nothing, or not yet */
		return;
	}
	pop3_server_timeout(&s->pop3);
	client_pump(&s->client);
}

static void
shut_down(struct session *s)
{
	pop3_server_shutdown(&s->pop3);
	renew_deadline(s);
}

/* Without `refuse`: who is one too many is not worth a handshake. */
const struct client_calls session_calls = {
	.session_bytes = sizeof(struct session),
	.begin = begin,
	.connected = connected,
	.secured = secured,
	.room = room,
	.input = input,
	.run = run,
	.gone = gone,
	.check_deadline = check_deadline,
	.shut_down = shut_down,
	.release = release,
};
