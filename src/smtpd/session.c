#include "smtpd/session.h"

#include <stdlib.h>
#include <string.h>

#include "smtpd/journal.h"
#include "smtpd/session_inside.h"


/* --- its beginning and its end --- */

static void
begin(struct session *s, void *context)
{
	s->worker = context;
	s->policy = policy_hold(s->worker->policy);
	message_init(&s->message);
}

static void
release(struct session *s)
{
	auth_forget(s->login);
	s->login = NULL;
	session_discard_message(s);
	if (s->client.state == CLIENT_SECURING ||
	    s->client.state == CLIENT_OPEN)
		smtp_server_finish(&s->smtp);
	free(s->peer_name);
	s->peer_name = NULL;
	policy_drop(s->policy);
	s->policy = NULL;
}

/* --- output --- */

static void
renew_deadline(struct session *s)
{
	uint64_t ms = smtp_server_is_in_data(&s->smtp)
	    ? s->policy->data_timeout_ms
	    : s->policy->command_timeout_ms;

	if (s->commit == NULL) /* which has its own, whatever is sent meanwhile */
		client_set_deadline(&s->client, ms);
}

static void
gone(struct session *s)
{
	s->client.has_ended = true;
	smtp_server_gone(&s->smtp);
}

/* True when nothing is left to be sent. */
static bool
flush(struct session *s)
{
	struct bytes     output = smtp_server_output(&s->smtp);
	enum wire_result result = wire_send(&s->client.wire, output);

	if (output.n > 0)
		renew_deadline(s);
	if (result == WIRE_GONE)
		gone(s);
	else
		smtp_server_sent(&s->smtp, output.n);
	return result == WIRE_SENT;
}

/* --- TLS --- */

/* The engine waits. */
static void
begin_handshake(struct session *s)
{
	s->secures = false;
	client_secure(
	    &s->client, s->policy->tls, s->policy->handshake_timeout_ms);
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
secured(struct session *s)
{
	const struct tls *tls = s->client.wire.tls;

	smtp_server_secured(&s->smtp, bytes_of(tls_description(tls)));
	if (s->policy->smtp.tls == LISTENER_TLS)
		greet(s);
	renew_deadline(s);
}

/* --- the story --- */

/*
 * The client is gone, and what he sent before was done. Behind an open question some
 * of it may still wait; without that, nobody waits for the answer.
 */
static bool
leaves(struct session *s, bool is_waiting)
{
	if (!s->client.has_ended ||
	    (is_waiting && smtp_server_room(&s->smtp) < SMTP_INPUT_MAX))
		return false;
	smtp_server_gone(&s->smtp);
	return true;
}

static void
run(struct session *s)
{
	while (s->client.state == CLIENT_OPEN &&
	    !wire_is_sending(&s->client.wire)) {
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
			if ((s->client.question || flush(s)) && !leaves(s, true)) {
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
				client_linger(&s->client);
			break;
		}
	}
}

/* --- input --- */

static size_t
room(const struct session *s)
{
	return smtp_server_room(&s->smtp);
}

static void
input(struct session *s, struct bytes text)
{
	smtp_server_feed(&s->smtp, text);
	if (smtp_server_is_in_data(&s->smtp))
		renew_deadline(s);
}

/* --- who comes --- */

/* Many refusals in one session say nothing new, and the disk of the log is not the client's. */
static void
on_refused(const struct smtp_refusal *refusal, void *context)
{
	struct session *s = context;

	if (!journal_is_worth(refusal) || s->client.all->is_stopping ||
	    s->n_refusals >= REFUSALS_LOGGED)
		return;
	s->n_refusals++;
	journal_refusal(bytes_of(s->client.peer),
	    smtp_server_authenticated(&s->smtp), refusal);
}

/* For the session's life; without memory he has no name. */
static struct bytes
keep_name(struct session *s, struct bytes name)
{
	if (name.n > 0)
		s->peer_name = strndup(name.p, name.n);
	return bytes_of(s->peer_name);
}

/*
 * DATABYTES, 0: no limit. It lowers message_size and cannot raise it: who handles the message
 * behind us takes none that is larger.
 */
static uint64_t
size_granted(const struct session *s, const struct lookup_client_rights *rights)
{
	uint64_t max = s->policy->smtp.size_max;

	if (!rights->has_size_max || rights->size_max == 0 || rights->size_max > max)
		return max;
	return rights->size_max;
}

static void
begin_smtp(struct session *s, const struct lookup_client_rights *rights)
{
	smtp_server_init(&s->smtp, &s->policy->smtp, bytes_of(s->client.peer),
	    keep_name(s, rights->peer_name), !rights->try_later && rights->inside);
	smtp_server_grant(&s->smtp, rights->suffix, size_granted(s, rights));
	smtp_server_watch(&s->smtp, on_refused, s);
	if (s->client.is_local)
		smtp_server_account(&s->smtp, s->client.account, s->client.uid);
}

static void
connected(struct session *s, const struct lookup_client_rights *rights)
{
	static const struct smtp_reply cannot_answer = { 421, { 4, 3, 0 },
		BYTES_INIT("mail server cannot answer now; come back later") };
	static const struct smtp_reply not_allowed = { 554, { 5, 7, 1 },
		BYTES_INIT("you may not connect to this server") };

	if (rights->try_later)
		s->refusal = &cannot_answer;
	else if (!rights->allowed)
		s->refusal = &not_allowed;
	begin_smtp(s, rights);
	if (s->policy->smtp.tls == LISTENER_TLS) {
		begin_handshake(s);
		return;
	}
	s->client.state = CLIENT_OPEN;
	renew_deadline(s);
	greet(s);
}

static unsigned
refuse(struct session *s, enum limits_result why)
{
	static const struct bytes replies[] = {
		[LIMITS_TOO_MANY] = BYTES_INIT(
		    "421 4.3.2 too many sessions; come back later\r\n"),
		[LIMITS_TOO_MANY_OF_THEM] = BYTES_INIT(
		    "421 4.7.0 too many sessions from your address\r\n"),
	};

	/*
	 * The first bytes of a connection always find room. Who expects TLS would not
	 * understand them, and a handshake costs more than he is worth.
	 */
	if (s->policy->smtp.tls != LISTENER_TLS)
		wire_send(&s->client.wire, replies[why]);
	return 421;
}

/* --- time --- */

static void
check_deadline(struct session *s, uint64_t now)
{
	bool is_late = now >= s->client.deadline_ms;

	if (session_is_asking(s))
		return;
	if (s->commit) {
		if (is_late) {
			session_give_up_commit(s);
			client_pump(&s->client);
		}
		return;
	}
	if (s->client.state == CLIENT_OPEN &&
	    now - s->client.began_ms >= s->policy->session_timeout_ms)
		is_late = true;
	if (!is_late)
		return;
	if (s->client.state != CLIENT_OPEN || wire_is_sending(&s->client.wire)) {
		client_close(&s->client); /* it hears nothing, or not yet */
		return;
	}
	smtp_server_timeout(&s->smtp);
	client_pump(&s->client);
}

static void
shut_down(struct session *s)
{
	smtp_server_shutdown(&s->smtp);
	renew_deadline(s);
}

const struct client_calls session_calls = {
	.session_bytes = sizeof(struct session),
	.begin = begin,
	.refuse = refuse,
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
