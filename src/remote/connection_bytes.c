#include "remote/connection_inside.h"

#include <errno.h>
#include <sys/socket.h>

enum {
	READ_MAX = 64 * 1024,
	TEXT_MAX = 16 * 1024, /* a TLS record */
};

/* For whoever is read just now. */
static char received[READ_MAX];
static char text[TEXT_MAX];

/* --- output --- */

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

enum connection_said
connection_flush(struct connection *c)
{
	while (seal(c)) {
		struct bytes out = output(c);
		ssize_t      n;

		if (out.n == 0)
			return SAID;
		n = send(c->socket, out.p, out.n, MSG_NOSIGNAL);
		if (n >= 0)
			sent(c, (size_t)n);
		else if (errno == EAGAIN)
			return SAID_SOME;
		else if (errno != EINTR)
			return SAID_BROKEN;
	}
	return SAID_BROKEN;
}

enum connection_said
connection_say(struct connection *c)
{
	enum connection_said f;

	if (!c->is_blocked && output(c).n + smtp_client_output(c->smtp).n > 0)
		connection_restart_clock(c);
	f = connection_flush(c);
	c->is_blocked = f == SAID_SOME;
	if (f == SAID_BROKEN)
		smtp_client_gone(c->smtp);
	return f;
}

/* --- the handshake --- */

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

bool
connection_start_tls(struct connection *c)
{
	c->tls = tls_connect(c->order.tls, &c->order.demand);
	if (c->tls == NULL)
		return false;
	c->state = STATE_SECURING;
	connection_set_deadline(c, c->order.timeout_ms);
	connection_open_sealed(c); /* ours is the first word */
	return true;
}

static void
secured(struct connection *c)
{
	c->state = STATE_TALKING;
	if (c->order.policy.tls != SMTP_CLIENT_TLS_ALREADY)
		smtp_client_secured(c->smtp, true, BYTES(""));
	connection_restart_clock(c);
}

static void
tls_broke(struct connection *c)
{
	const char *why = tls_fault(c->tls);

	connection_flush(c); /* the alert; nobody waits for it */
	if (c->state == STATE_TALKING) {
		hear_end(c);
	} else if (c->order.policy.tls == SMTP_CLIENT_TLS_ALREADY) {
		connection_fail(c, PROBLEM_TLS, STATUS(4, 7, 5), "TLS: %s", why);
	} else {
		c->state = STATE_TALKING;
		smtp_client_secured(c->smtp, false, bytes_of(why));
	}
}

void
connection_shake_hands(struct connection *c)
{
	enum connection_said f = connection_flush(c);

	c->is_blocked = f == SAID_SOME;
	if (f == SAID_BROKEN)
		tls_broke(c);
}

/* --- input --- */

bool
connection_open_sealed(struct connection *c)
{
	bool   is_securing = c->state == STATE_SECURING;
	size_t room = sizeof text, got = 0;

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

void
connection_lost(struct connection *c)
{
	if (c->state == STATE_TALKING) {
		hear_end(c);
	} else if (c->order.policy.tls == SMTP_CLIENT_TLS_ALREADY) {
		connection_fail(c, PROBLEM_TLS, STATUS(4, 7, 5),
		    "the server hung up in the TLS handshake");
	} else {
		c->state = STATE_TALKING;
		smtp_client_secured(c->smtp, false,
		    BYTES("the server hung up in the TLS handshake"));
	}
}

void
connection_hear(struct connection *c)
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
			connection_open_sealed(c);
	} else if (n > 0) {
		smtp_client_feed(c->smtp, (struct bytes){ received, (size_t)n });
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		connection_lost(c);
	}
}
