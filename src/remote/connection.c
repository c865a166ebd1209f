#include "remote/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/network.h"
#include "service/event.h"

_Static_assert((int)BATCH_MAX == (int)SMTP_CLIENT_RECIPIENTS_MAX,
    "a batch is a transaction");

enum {
	READ_MAX = 64 * 1024,
	PROTECTION_MAX = 256,
	STEPS_AT_ONCE = 16, /* then other connections have their turn */
};

enum state {
	STATE_BEGINNING,   /* not yet in the loop */
	STATE_CONNECTING,
	STATE_SECURING,    /* the handshake */
	STATE_TALKING,
	STATE_CLOSED,
};

struct connection {
	struct connection_place place;
	enum state              state;
	uv_poll_t               poll;
	uv_timer_t              timer;      /* the only one: for what is waited for now */
	uv_idle_t               later;      /* something is to be done in the next turn */
	size_t                  handles;    /* that libuv still has */
	int                     socket;
	int                     watched;    /* the events that poll watches */
	struct smtp_client     *smtp;
	struct tls             *tls;
	struct connection_order order;

	struct batch batch;
	int          body;                  /* of the batch */
	uint64_t     body_at, body_size;
	bool         is_under_way;          /* a transaction */
	uint64_t     transaction_until_ms;

	uint64_t     opened_ms;
	bool         has_been_ready;
	bool         is_idle;
	bool         is_quitting;
	bool         is_abandoned;
	bool         is_past_end;
	bool         is_blocked;            /* output waits */
	bool         has_ended;             /* the server, as the engine was told */
	unsigned     transactions;
	struct problem problem;
	char         protection[PROTECTION_MAX];
};

/* For whoever is read just now. */
static char received[READ_MAX];
static char chunk[SMTP_CLIENT_BODY_CHUNK];

static void run(struct connection *c);
static bool hear_end(struct connection *c);
static bool open_sealed(struct connection *c);
static void on_later(uv_idle_t *later);

static uint64_t
now_ms(const struct connection *c)
{
	return uv_now(c->timer.loop);
}

/* --- its end --- */

static void
on_handle_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;

	if (--c->handles > 0)
		return;
	if (c->socket != -1)
		close(c->socket);
	smtp_client_free(c->smtp);
	tls_free(c->tls);
	free(c);
}

static void
close_all(struct connection *c)
{
	c->state = STATE_CLOSED;
	uv_close((uv_handle_t *)&c->timer, on_handle_closed);
	uv_close((uv_handle_t *)&c->later, on_handle_closed);
	if (c->socket != -1)
		uv_close((uv_handle_t *)&c->poll, on_handle_closed);
}

static void
end(struct connection *c)
{
	if (c->state == STATE_CLOSED)
		return;
	c->state = STATE_CLOSED;
	problem_set_host(&c->problem, c->order.name, c->order.address);
	c->order.calls->ended(c, c->order.context);
	batch_clear(&c->batch);
	close_all(c);
}

__attribute__((format(printf, 4, 5))) static void
fail(struct connection *c, enum problem_kind kind, struct status status,
    const char *format, ...)
{
	char    text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	problem_set(&c->problem, kind, status, "%s", text);
	end(c);
}

/* What the engine says of its end. */
static void
take_fault(struct connection *c)
{
	static const enum problem_kind kinds[] = {
		[SMTP_CLIENT_FAULT_NONE] = PROBLEM_NONE,
		[SMTP_CLIENT_FAULT_TEMPORARY] = PROBLEM_TEMPORARY,
		[SMTP_CLIENT_FAULT_PERMANENT] = PROBLEM_PERMANENT,
		[SMTP_CLIENT_FAULT_PROTOCOL] = PROBLEM_TEMPORARY,
		[SMTP_CLIENT_FAULT_TLS] = PROBLEM_TLS,
		[SMTP_CLIENT_FAULT_LOST] = PROBLEM_TEMPORARY,
		[SMTP_CLIENT_FAULT_TIMEOUT] = PROBLEM_TEMPORARY,
		[SMTP_CLIENT_FAULT_LOOP] = PROBLEM_LOOP,
	};
	enum problem_kind kind = kinds[smtp_client_fault(c->smtp)];
	struct status     status = smtp_client_fault_status(c->smtp);
	struct bytes      text = smtp_client_fault_text(c->smtp);

	if (kind == PROBLEM_NONE)
		return;
	if (smtp_client_fault_is_reply(c->smtp))
		problem_set_reply(&c->problem, kind, status, text);
	else
		problem_set(&c->problem, kind, status, "%.*s", BYTES_ARG(text));
}

/* --- the clock --- */

static void on_deadline(uv_timer_t *timer);

/* A transaction as a whole has its end, too. */
static void
set_deadline(struct connection *c, uint64_t ms)
{
	uint64_t left;

	if (c->is_under_way) {
		left = c->transaction_until_ms > now_ms(c)
		    ? c->transaction_until_ms - now_ms(c) : 0;
		if (left < ms)
			ms = left;
	}
	uv_timer_start(&c->timer, on_deadline, ms, 0);
}

/*
 * The server owes us something new. It is not set anew for each byte that comes, so that one
 * byte now and then holds no connection.
 */
static void
restart_clock(struct connection *c)
{
	if (c->is_quitting && !c->is_under_way)
		set_deadline(c, CONNECTION_QUIT_MS);
	else
		set_deadline(c,
		    smtp_client_deadline_ms(c->smtp, c->order.timeout_ms));
}

static void
on_deadline(uv_timer_t *timer)
{
	struct connection *c = timer->data;

	switch (c->state) {
	case STATE_CONNECTING:
		fail(c, PROBLEM_TEMPORARY, STATUS(4, 4, 1), "connection timed out");
		return;
	case STATE_SECURING:
		if (c->order.policy.tls == SMTP_CLIENT_TLS_ALREADY) {
			fail(c, PROBLEM_TLS, STATUS(4, 7, 5),
			    "the TLS handshake took too long");
			return;
		}
		c->state = STATE_TALKING;
		smtp_client_secured(c->smtp, false,
		    BYTES("the TLS handshake took too long"));
		break;
	case STATE_TALKING:
		if (c->is_quitting && !c->is_under_way) {
			end(c);
			return;
		}
		if (c->is_idle)
			connection_quit(c);
		else
			smtp_client_timeout(c->smtp);
		break;
	case STATE_BEGINNING:
	case STATE_CLOSED:
		return;
	}
	run(c);
}

/* --- output --- */

enum flushed { FLUSHED, BLOCKED, BROKEN };

/* For the network, from the last of those who change it. */
static struct bytes
output(const struct connection *c)
{
	return c->tls ? tls_output(c->tls) : smtp_client_output(c->smtp);
}

static void
sent(struct connection *c, size_t n)
{
	if (c->tls)
		tls_sent(c->tls, n);
	else
		smtp_client_sent(c->smtp, n);
}

/* What the engine says goes through TLS; false: that is broken. */
static bool
seal(struct connection *c)
{
	struct bytes plain;

	if (c->tls == NULL || !tls_is_established(c->tls) ||
	    tls_output(c->tls).n > 0)
		return true;
	plain = smtp_client_output(c->smtp);
	if (plain.n == 0)
		return true;
	if (!tls_write(c->tls, plain))
		return false;
	smtp_client_sent(c->smtp, plain.n);
	return true;
}

static enum flushed
flush(struct connection *c)
{
	struct bytes out;

	while (seal(c)) {
		ssize_t n;

		out = output(c);
		if (out.n == 0)
			return FLUSHED;
		n = send(c->socket, out.p, out.n, MSG_NOSIGNAL);
		if (n >= 0)
			sent(c, (size_t)n);
		else if (errno == EAGAIN)
			return BLOCKED;
		else if (errno != EINTR)
			return BROKEN;
	}
	return BROKEN;
}

/* --- the loop --- */

static void on_event(uv_poll_t *poll, int status, int events);

static void
watch(struct connection *c, int events)
{
	if (events == c->watched || c->state == STATE_CLOSED)
		return;
	c->watched = events;
	if (events == 0)
		uv_poll_stop(&c->poll);
	else
		uv_poll_start(&c->poll, events, on_event);
}

static void
watch_for_next(struct connection *c)
{
	size_t room = c->tls ? tls_room(c->tls) : smtp_client_room(c->smtp);
	int    events = 0;

	/* even while output waits: a server that speaks instead of reading is heard */
	if (room > 0 && !c->has_ended)
		events |= UV_READABLE;
	if (c->is_blocked)
		events |= UV_WRITABLE;
	watch(c, events);
}

/* --- the body --- */

static void
abort_transaction(struct connection *c)
{
	for (size_t i = 0; i < c->batch.n; i++)
		if (c->batch.v[i]) {
			struct event e = event_begin(
			    "body-unreadable", &c->batch.v[i]->job.id);

			event_end(&e);
			break; /* it is one message */
		}
	smtp_client_abort(c->smtp);
}

static void
feed_body(struct connection *c)
{
	uint64_t left = c->body_size - c->body_at;
	size_t   n = left < sizeof chunk ? (size_t)left : sizeof chunk;
	ssize_t  got;

	do
		got = pread(c->body, chunk, n, (off_t)c->body_at);
	while (got == -1 && errno == EINTR);
	if (got < 0 || (size_t)got != n) {
		abort_transaction(c);
		return;
	}
	c->body_at += n;
	c->is_past_end = c->body_at == c->body_size;
	smtp_client_body(c->smtp, (struct bytes){ chunk, n }, c->is_past_end);
}

static bool
has_8bit(const char *p, size_t n)
{
	unsigned all = 0;

	for (size_t i = 0; i < n; i++)
		all |= (unsigned char)p[i];
	return all > 127;
}

/* Whatever it was declared to be. What cannot be read now cannot be read later. */
static bool
body_has_8bit(int body, uint64_t size)
{
	for (uint64_t at = 0; at < size;) {
		ssize_t n = pread(body, chunk, sizeof chunk, (off_t)at);

		if (n <= 0)
			return false;
		if (has_8bit(chunk, (size_t)n))
			return true;
		at += (uint64_t)n;
	}
	return false;
}

/* --- transactions --- */

static void
describe_protection(struct connection *c)
{
	if (c->tls == NULL || !tls_is_established(c->tls))
		snprintf(c->protection, sizeof c->protection, "none");
	else
		snprintf(c->protection, sizeof c->protection, "%s, %s",
		    tls_description(c->tls), tls_proof_description(c->tls));
}

static void
begin_transaction(struct connection *c)
{
	const struct parcel        *first = c->batch.v[0];
	struct smtp_transaction_out t = {
		.reverse_path = first->reverse_path,
		.ret = first->ret,
		.envid = first->envid,
		.body = first->body_type,
		.smtputf8 = first->smtputf8,
		.size_bytes = first->size_bytes,
		.has_8bit = body_has_8bit(first->body, first->size_bytes),
		.recipients = c->batch.recipients,
		.n_recipients = c->batch.n,
	};

	c->body = first->body;
	c->body_at = 0;
	c->body_size = first->size_bytes;
	c->is_under_way = true;
	c->is_past_end = false;
	c->transaction_until_ms = now_ms(c) +
	    CONNECTION_TRANSACTION_TIMES * c->order.timeout_ms;
	describe_protection(c);
	smtp_client_begin(c->smtp, &t);
}

/* False: nothing is to be sent; an end is waited for. */
static bool
find_work(struct connection *c)
{
	bool was_idle = c->is_idle;

	c->is_idle = false;
	c->has_been_ready = true;
	if (c->is_quitting) {
		smtp_client_quit(c->smtp);
		return true;
	}
	if (c->order.calls->ready(c, c->order.context) && c->batch.n > 0) {
		begin_transaction(c);
		return true;
	}
	if (c->is_quitting) {
		smtp_client_quit(c->smtp);
		return true;
	}
	c->is_idle = true;
	if (!was_idle)
		set_deadline(c, CONNECTION_IDLE_MS);
	return false;
}

static void
log_doubt(struct connection *c)
{
	for (size_t i = 0; i < c->batch.n; i++) {
		const struct parcel *p = c->batch.v[i];
		struct event         e;

		if (p == NULL)
			continue;
		e = event_begin("possible-duplicate", &p->job.id);
		event_path(&e, "rcpt", p->recipient.address);
		event_text(&e, "host", bytes_of(c->problem.host));
		event_text(&e, "why", smtp_client_fault_text(c->smtp));
		event_end(&e);
	}
}

static void
end_transaction(struct connection *c)
{
	problem_set_host(&c->problem, c->order.name, c->order.address);
	if (smtp_client_is_in_doubt(c->smtp))
		log_doubt(c);
	c->is_under_way = false;
	c->is_past_end = false;
	c->transactions = smtp_client_transactions(c->smtp);
	c->order.calls->done(c, c->order.context);
	batch_clear(&c->batch);
}

/* --- the handshake --- */

static bool
start_tls(struct connection *c)
{
	c->tls = tls_connect(c->order.tls, &c->order.demand);
	if (c->tls == NULL)
		return false;
	c->state = STATE_SECURING;
	set_deadline(c, c->order.timeout_ms);
	open_sealed(c); /* ours is the first word */
	return true;
}

static void
secured(struct connection *c)
{
	c->state = STATE_TALKING;
	if (c->order.policy.tls != SMTP_CLIENT_TLS_ALREADY)
		smtp_client_secured(c->smtp, true, BYTES(""));
	restart_clock(c);
}

static void
tls_broke(struct connection *c)
{
	const char *why = tls_fault(c->tls);

	flush(c); /* the alert; nobody waits for it */
	if (c->state == STATE_TALKING) {
		hear_end(c);
	} else if (c->order.policy.tls == SMTP_CLIENT_TLS_ALREADY) {
		fail(c, PROBLEM_TLS, STATUS(4, 7, 5), "TLS: %s", why);
	} else {
		c->state = STATE_TALKING;
		smtp_client_secured(c->smtp, false, bytes_of(why));
	}
}

/* --- the story --- */

/* What the engine has to say goes out. */
static enum flushed
say(struct connection *c)
{
	enum flushed f;

	if (!c->is_blocked && output(c).n + smtp_client_output(c->smtp).n > 0)
		restart_clock(c);
	f = flush(c);
	c->is_blocked = f == BLOCKED;
	if (f == BROKEN)
		smtp_client_gone(c->smtp);
	return f;
}

/* One event of the engine. False: something is to be waited for, or it is over. */
static bool
step(struct connection *c)
{
	enum flushed f;

	switch (smtp_client_next(c->smtp)) {
	case SMTP_CLIENT_MORE:
		return say(c) == BROKEN;
	case SMTP_CLIENT_FLUSH:
		return say(c) != BLOCKED;
	case SMTP_CLIENT_HANDSHAKE:
		f = say(c);
		if (f == FLUSHED && !start_tls(c))
			smtp_client_secured(c->smtp, false, BYTES("no memory"));
		return f != BLOCKED;
	case SMTP_CLIENT_IDLE:
		return find_work(c);
	case SMTP_CLIENT_BODY:
		restart_clock(c);
		feed_body(c);
		return true;
	case SMTP_CLIENT_DONE:
		end_transaction(c);
		return true;
	case SMTP_CLIENT_CLOSE:
		flush(c);
		take_fault(c);
		if (c->is_under_way && !smtp_client_is_untried(c->smtp))
			end_transaction(c);
		end(c);
		return false;
	}
	return false;
}

/* The engine of TLS alone moves. */
static void
shake_hands(struct connection *c)
{
	enum flushed f = flush(c);

	c->is_blocked = f == BLOCKED;
	if (f == BROKEN)
		tls_broke(c);
}

static void
run(struct connection *c)
{
	int steps = 0;

	if (c->state == STATE_SECURING)
		shake_hands(c);
	while (c->state == STATE_TALKING && steps < STEPS_AT_ONCE &&
	    (step(c) || open_sealed(c)))
		steps++;
	if (c->state == STATE_SECURING)
		shake_hands(c);
	if (c->state == STATE_CLOSED)
		return;
	if (steps == STEPS_AT_ONCE)
		uv_idle_start(&c->later, on_later);
	watch_for_next(c);
}

/* --- input --- */

/* The server sends no more. False: that is known. */
static bool
hear_end(struct connection *c)
{
	bool is_new = !c->has_ended;

	c->has_ended = true;
	if (is_new)
		smtp_client_gone(c->smtp);
	return is_new;
}

/* One piece of plain text that is there goes to the engine. False: nothing moved. */
static bool
open_sealed(struct connection *c)
{
	static char text[16 * 1024];
	bool        is_securing = c->state == STATE_SECURING;
	size_t      room = sizeof text, got = 0;

	if (c->tls == NULL || c->state == STATE_CLOSED)
		return false;
	if (is_securing)
		room = 0;
	else if (smtp_client_room(c->smtp) < room)
		room = smtp_client_room(c->smtp);
	if (room == 0 && !is_securing)
		return false;
	switch (tls_read(c->tls, text, room, &got)) {
	case TLS_OK:
		if (is_securing)
			secured(c);
		else
			smtp_client_feed(c->smtp, (struct bytes){ text, got });
		return true;
	case TLS_MORE:
		return false;
	case TLS_ENDED:
		return hear_end(c);
	case TLS_BROKEN:
		tls_broke(c);
		return c->state != STATE_CLOSED;
	}
	return false;
}

static void
lost(struct connection *c)
{
	if (c->state == STATE_TALKING) {
		hear_end(c);
	} else if (c->order.policy.tls == SMTP_CLIENT_TLS_ALREADY) {
		fail(c, PROBLEM_TLS, STATUS(4, 7, 5),
		    "the server hung up in the TLS handshake");
	} else {
		c->state = STATE_TALKING;
		smtp_client_secured(c->smtp, false,
		    BYTES("the server hung up in the TLS handshake"));
	}
}

static void
receive(struct connection *c)
{
	size_t  room = c->tls ? tls_room(c->tls) : smtp_client_room(c->smtp);
	ssize_t n;

	if (room > sizeof received)
		room = sizeof received;
	if (room == 0)
		return;
	n = recv(c->socket, received, room, 0);
	if (n > 0 && c->tls) {
		tls_feed(c->tls, (struct bytes){ received, (size_t)n });
		if (c->state == STATE_SECURING)
			open_sealed(c);
	} else if (n > 0) {
		smtp_client_feed(c->smtp, (struct bytes){ received, (size_t)n });
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		lost(c);
	}
}

/* --- connecting --- */

/* "connection refused" */
static const char *
error_text(int error, char *text, size_t size)
{
	snprintf(text, size, "%s", strerror(error));
	text[0] = byte_lower(text[0]);
	return text;
}

static void
fail_connect(struct connection *c, int error)
{
	char text[128];
	bool is_ours = error == EMFILE || error == ENFILE || error == ENOBUFS ||
	    error == ENOMEM;

	fail(c, is_ours ? PROBLEM_OURS : PROBLEM_TEMPORARY,
	    is_ours ? STATUS(4, 3, 0) : STATUS(4, 4, 1), "%s",
	    error_text(error, text, sizeof text));
}

static void
connected(struct connection *c)
{
	int       error = 0;
	socklen_t size = sizeof error;

	if (getsockopt(c->socket, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
		error = errno;
	if (error != 0) {
		fail_connect(c, error);
		return;
	}
	c->state = STATE_TALKING;
	if (c->order.policy.tls == SMTP_CLIENT_TLS_ALREADY && !start_tls(c)) {
		fail(c, PROBLEM_OURS, STATUS(4, 3, 0), "no memory");
		return;
	}
	if (c->state == STATE_TALKING)
		restart_clock(c);
}

static void
on_event(uv_poll_t *poll, int status, int events)
{
	struct connection *c = poll->data;

	if (c->state == STATE_CONNECTING) {
		connected(c);
	} else if (status < 0) {
		lost(c);
	} else if (events & UV_READABLE) {
		receive(c);
	}
	if (c->state != STATE_CLOSED)
		run(c);
}

static socklen_t
address_of(const struct connection_order *order, struct sockaddr_storage *out)
{
	struct sockaddr_in  in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (network_is_ipv4(order->address)) {
		in.sin_port = htons(order->port);
		memcpy(&in.sin_addr, order->address + 12, 4);
		memcpy(out, &in, sizeof in);
		return sizeof in;
	}
	in6.sin6_port = htons(order->port);
	memcpy(&in6.sin6_addr, order->address, 16);
	memcpy(out, &in6, sizeof in6);
	return sizeof in6;
}

/* 0, or why not. */
static int
start_connecting(struct connection *c)
{
	struct sockaddr_storage to = { 0 };
	socklen_t               size = address_of(&c->order, &to);
	int                     one = 1;

	c->socket = socket(
	    to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->socket == -1)
		return errno;
	c->poll.data = c;
	if (uv_poll_init(c->timer.loop, &c->poll, c->socket) != 0) {
		close(c->socket);
		c->socket = -1;
		return ENOMEM;
	}
	c->handles++;
	/* what we say is whole, and waited for */
	setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(c->socket, (struct sockaddr *)&to, size) == 0 ||
	    errno == EINPROGRESS)
		return 0;
	return errno;
}

static void
begin(struct connection *c)
{
	int error = start_connecting(c);

	if (error != 0) {
		fail_connect(c, error);
		return;
	}
	c->state = STATE_CONNECTING;
	set_deadline(c, c->order.connect_timeout_ms);
	watch(c, UV_WRITABLE);
}

/* What was not to happen inside a call of the owner's. */
static void
on_later(uv_idle_t *later)
{
	struct connection *c = later->data;

	uv_idle_stop(later);
	if (c->is_abandoned)
		end(c);
	else if (c->state == STATE_BEGINNING)
		begin(c);
	else
		run(c);
}

struct connection *
connection_open(uv_loop_t *loop, const struct connection_order *order)
{
	struct connection *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->order = *order;
	c->socket = -1;
	c->smtp = smtp_client_new(&order->policy);
	if (c->smtp == NULL) {
		free(c);
		return NULL;
	}
	uv_timer_init(loop, &c->timer);
	uv_idle_init(loop, &c->later);
	c->timer.data = c->later.data = c;
	c->handles = 2;
	c->opened_ms = now_ms(c);
	uv_idle_start(&c->later, on_later);
	return c;
}

/* --- its owner --- */

static void
run_later(struct connection *c)
{
	if (c->state == STATE_TALKING)
		uv_idle_start(&c->later, on_later);
}

void
connection_resume(struct connection *c)
{
	if (c->is_idle)
		run_later(c);
}

void
connection_quit(struct connection *c)
{
	c->is_quitting = true;
	if (c->is_idle)
		run_later(c);
}

void
connection_abandon(struct connection *c)
{
	c->is_abandoned = true;
	if (c->state != STATE_CLOSED)
		uv_idle_start(&c->later, on_later);
}

struct batch *
connection_batch(struct connection *c)
{
	return &c->batch;
}

struct outcome
connection_outcome(const struct connection *c, size_t i)
{
	struct outcome o = smtp_client_outcome(c->smtp, i);

	o.host = bytes_of(c->problem.host);
	o.protection = bytes_of(c->protection);
	return o;
}

bool
connection_is_open(const struct connection *c)
{
	return c->has_been_ready;
}

bool
connection_is_idle(const struct connection *c)
{
	return c->is_idle && !c->is_quitting;
}

bool
connection_is_past_end(const struct connection *c)
{
	return c->is_under_way && c->is_past_end;
}

unsigned
connection_transactions(const struct connection *c)
{
	return c->transactions;
}

bool
connection_is_fresh(const struct connection *c)
{
	return !c->is_quitting && c->transactions < CONNECTION_TRANSACTIONS_MAX &&
	    now_ms(c) - c->opened_ms < CONNECTION_AGE_MS;
}

const struct problem *
connection_problem(const struct connection *c)
{
	return &c->problem;
}

struct connection_place *
connection_place(struct connection *c)
{
	return &c->place;
}

const struct connection_order *
connection_order(const struct connection *c)
{
	return &c->order;
}
