#include "smtpd/session.h"

#include <stdlib.h>

#include "io/clock.h"
#include "proto/smtp_server.h"
#include "smtpd/journal.h"
#include "smtpd/wire.h"
#include "smtpd/worker.h"

enum {
	READ_MAX = 64 * 1024,
	LINGER_MS = 2000,
	STOPPING_TIMEOUT_MS = 30 * 1000,
	REFUSALS_LOGGED = 100,       /* of one session */
	REFUSED_SESSIONS_LOGGED = 20, /* a second */
};

enum session_state {
	SESSION_CONNECTING, /* may that address connect? The engine has not begun */
	SESSION_OPEN,
	SESSION_LINGERING,  /* all is said; until the client has read it */
	SESSION_CLOSED,
};

/* Without memory of its own while it is idle. */
struct session {
	struct wire             wire;
	struct smtp_server      smtp;
	struct message          message;
	enum session_state      state;
	struct session         *next, *before;
	struct worker          *worker;
	struct policy          *policy;
	struct lookup_question *question;
	struct commit          *commit;
	uint64_t                began_ms, deadline_ms;
	bool                    has_ended; /* nothing more comes from the client */
	bool                    is_reading;
	unsigned                n_refusals;
	uint8_t                 address[16];
	char                    peer[INET6_ADDRSTRLEN];
};

static void pump(struct session *s);

static const struct smtp_reply trouble = { 451, { 4, 3, 0 },
	BYTES_INIT("mail server temporarily rejected message") };

/* --- its end --- */

static void
free_session(uv_handle_t *handle)
{
	free(handle->data);
}

/* All but the connection. */
static void
release(struct session *s)
{
	lookup_forget(s->question);
	s->question = NULL;
	if (s->commit)
		commit_leave(s->commit, COMMIT_CLIENT_GONE);
	s->commit = NULL;
	message_drop(&s->message);
	if (s->state == SESSION_OPEN)
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
	uv_close((uv_handle_t *)&s->wire.tcp, free_session);
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
	struct session *s = wire->tcp.data;

	if (is_gone)
		client_gone(s);
	pump(s);
}

/* True when nothing is left to be sent. */
static bool
flush(struct session *s)
{
	struct bytes     output = smtp_server_output(&s->smtp);
	enum wire_result result = wire_send(&s->wire, output, on_sent);

	if (output.n > 0)
		renew_deadline(s);
	if (result == WIRE_GONE)
		client_gone(s);
	else
		smtp_server_sent(&s->smtp, output.n);
	return result == WIRE_SENT;
}

/* --- questions and answers --- */

static void
on_recipient(enum recipient_answer answer, void *context)
{
	/* Nothing here sends mail elsewhere yet: relaying is denied to all. */
	static const enum smtp_recipient_answer answers[] = {
		[RECIPIENT_UNKNOWN] = SMTP_RECIPIENT_UNKNOWN,
		[RECIPIENT_NOT_OURS] = SMTP_RECIPIENT_NOT_OURS,
		[RECIPIENT_OK] = SMTP_RECIPIENT_OK,
		[RECIPIENT_TRY_LATER] = SMTP_RECIPIENT_TRY_LATER,
		[RECIPIENT_LIMIT] = SMTP_RECIPIENT_LIMIT,
	};
	struct session *s = context;

	s->question = NULL;
	smtp_server_answer_recipient(&s->smtp, answers[answer]);
	pump(s);
}

static void
ask_recipient(struct session *s)
{
	s->question = lookup_recipient(s->worker->lookup,
	    smtp_server_recipient(&s->smtp), BYTES(""), on_recipient, s);
	if (s->question == NULL)
		smtp_server_answer_recipient(&s->smtp, SMTP_RECIPIENT_TRY_LATER);
}

static void
open_message(struct session *s)
{
	uint64_t  now = clock_now_ms();
	uint8_t   random[ID_RANDOM];
	struct id id;

	if (!message_open(&s->message, &s->worker->memory)) {
		smtp_server_answer_data(&s->smtp, NULL, 0);
		return;
	}
	random_fill(random, sizeof random);
	id = id_make(now, random);
	smtp_server_answer_data(&s->smtp, &id, now);
}

static void
store_body(struct session *s)
{
	if (!message_add(&s->message, smtp_server_body(&s->smtp)))
		smtp_server_body_failed(&s->smtp);
}

/*
 * The promise is the answer's: 250 comes from the queue, for what is safe, and is
 * passed on as it is.
 */
static void
on_committed(const struct submit_result *result, void *context)
{
	struct session *s = context;

	s->commit = NULL;
	message_drop(&s->message);
	smtp_server_answer_commit(&s->smtp,
	    (struct smtp_reply){ result->code, result->status, result->text });
	pump(s);
}

/* Nobody else will write its final line. */
static void
fail_commit(struct session *s)
{
	const struct smtp_refusal refusal = {
		.reply = trouble,
		.envelope = smtp_server_envelope(&s->smtp),
	};

	journal_refusal(bytes_of(s->peer), &refusal);
	message_drop(&s->message);
	smtp_server_answer_commit(&s->smtp, trouble);
}

static void
commit(struct session *s)
{
	if (message_seal(&s->message))
		s->commit = commit_begin(&s->worker->commits,
		    smtp_server_envelope(&s->smtp), s->message.fd, on_committed, s);
	message_handed_on(&s->message);
	if (s->commit == NULL) {
		fail_commit(s);
		return;
	}
	s->deadline_ms = clock_monotonic_ms() + s->policy->commit_timeout_ms;
}

static void
discard(struct session *s)
{
	if (s->commit)
		commit_leave(s->commit, COMMIT_CLIENT_GONE);
	s->commit = NULL;
	message_drop(&s->message);
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
		case SMTP_ASK_RECIPIENT:
			ask_recipient(s);
			break;
		case SMTP_ASK_DATA:
			open_message(s);
			break;
		case SMTP_BODY:
			store_body(s);
			break;
		case SMTP_COMMIT:
			commit(s);
			break;
		case SMTP_DISCARD:
			discard(s);
			break;
		case SMTP_FLUSH:
			flush(s);
			break;
		case SMTP_WAIT:
			/* Lookup is quick: one packet brings all the replies. */
			if ((s->question || flush(s)) && !leaves(s, true))
				return;
			break;
		case SMTP_MORE:
			if (flush(s) && !leaves(s, false))
				return;
			break;
		case SMTP_HANDSHAKE: /* not offered yet */
		case SMTP_ASK_AUTH:
		case SMTP_ASK_SENDER:
		case SMTP_CLOSE:
			if (flush(s))
				linger(s);
			break;
		}
	}
}

/* --- input --- */

static char input[READ_MAX]; /* for whoever is read just now */

static void
give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct session *s = handle->data;
	size_t          room = sizeof input;

	(void)suggested;
	if (s->state == SESSION_OPEN && smtp_server_room(&s->smtp) < room)
		room = smtp_server_room(&s->smtp);
	buf->base = input;
	buf->len = room;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

/* An open question does not stop us: who leaves during the filters is noticed. */
static void
read_or_not(struct session *s)
{
	uv_stream_t *stream = (uv_stream_t *)&s->wire.tcp;
	bool         wants = !s->has_ended &&
	    (s->state == SESSION_LINGERING ||
	        (s->state == SESSION_OPEN && smtp_server_room(&s->smtp) > 0));

	if (s->state == SESSION_CLOSED || wants == s->is_reading)
		return;
	s->is_reading = wants;
	if (wants)
		uv_read_start(stream, give_room, on_read);
	else
		uv_read_stop(stream);
}

static void
pump(struct session *s)
{
	run(s);
	read_or_not(s);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct session *s = stream->data;

	if (n == 0)
		return;
	if (n < 0)
		s->has_ended = true;
	if (s->state == SESSION_LINGERING) {
		if (s->has_ended)
			close_session(s);
		return;
	}
	if (n > 0)
		smtp_server_feed(
		    &s->smtp, (struct bytes){ buf->base, (size_t)n });
	else if (n != UV_EOF)
		smtp_server_gone(&s->smtp); /* reset: what waits is void */
	if (n > 0 && smtp_server_is_in_data(&s->smtp))
		renew_deadline(s);
	pump(s);
}

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
	journal_refusal(bytes_of(s->peer), refusal);
}

static void
on_connect(bool try_later, bool allowed, bool inside, void *context)
{
	struct session *s = context;

	s->question = NULL;
	s->state = SESSION_OPEN;
	smtp_server_init(&s->smtp, &s->policy->smtp, bytes_of(s->peer), BYTES(""),
	    !try_later && inside);
	smtp_server_watch(&s->smtp, on_refused, s);
	renew_deadline(s);
	if (try_later)
		smtp_server_refuse(&s->smtp,
		    SMTP_REPLY(421, 4, 3, 0, "mail server cannot answer now; "
		                             "come back later"));
	else if (!allowed)
		smtp_server_refuse(&s->smtp,
		    SMTP_REPLY(554, 5, 7, 1, "you may not connect to this server"));
	else
		smtp_server_greet(&s->smtp);
	pump(s);
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

	/* The first bytes of a connection always find room. */
	wire_send(&s->wire, refusals[result].reply, on_sent);
	s->state = SESSION_CLOSED;
	uv_close((uv_handle_t *)&s->wire.tcp, free_session);
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
	s->wire.tcp.data = s;
	message_init(&s->message);
	if (!wire_accept(&s->wire, w->loop, listening) ||
	    !wire_peer(&s->wire, s->address, s->peer)) {
		uv_close((uv_handle_t *)&s->wire.tcp, free_session);
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
give_up(struct session *s)
{
	commit_leave(s->commit, COMMIT_GIVEN_UP);
	s->commit = NULL;
	message_drop(&s->message);
	smtp_server_answer_commit(&s->smtp, trouble);
	pump(s);
}

static void
check_deadline(struct session *s, uint64_t now)
{
	bool is_late = now >= s->deadline_ms;

	if (s->question)
		return; /* lookup answers in time by itself */
	if (s->commit) {
		if (is_late)
			give_up(s);
		return;
	}
	if (s->state == SESSION_OPEN &&
	    now - s->began_ms >= s->policy->session_timeout_ms)
		is_late = true;
	if (!is_late)
		return;
	if (s->state == SESSION_LINGERING || wire_is_sending(&s->wire)) {
		close_session(s); /* it hears nothing any more */
		return;
	}
	smtp_server_timeout(&s->smtp);
	pump(s);
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
		if (s->state == SESSION_CONNECTING) {
			close_session(s);
		} else if (s->state == SESSION_OPEN) {
			smtp_server_shutdown(&s->smtp);
			renew_deadline(s);
			pump(s);
		}
	}
}
