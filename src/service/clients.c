#include "service/clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/clock.h"
#include "service/event.h"

enum {
	TICK_MS = 1000,
	LINGER_MS = 2000,
	STOPPING_TIMEOUT_MS = 30 * 1000,
	REFUSALS_LOGGED = 20, /* a second */
};

/* --- the end of one --- */

static void
end_if_last(struct clients *all)
{
	if (all->is_stopping && all->n == 0)
		all->emptied(all->context);
}

static void
on_closed(struct wire *wire)
{
	free(wire->owner);
}

static void
release(struct client *c)
{
	c->all->calls->release(c->wire.owner);
	lookup_forget(c->question);
	c->question = NULL;
}

void
client_close(struct client *c)
{
	struct clients *all = c->all;

	if (c->state == CLIENT_CLOSED)
		return;
	release(c);
	c->state = CLIENT_CLOSED;
	if (c->before)
		c->before->next = c->next;
	else
		all->first = c->next;
	if (c->next)
		c->next->before = c->before;
	limits_leave(&all->limits, c->address);
	wire_close(&c->wire);
	all->n--;
	end_if_last(all);
}

/*
 * Closing while the client still sends would reset the connection, and with that
 * the reply could be lost to him: first he is to hear that we are done.
 */
void
client_linger(struct client *c)
{
	if (c->has_ended) {
		client_close(c);
		return;
	}
	release(c);
	c->state = CLIENT_LINGERING;
	c->deadline_ms = clock_monotonic_ms() + LINGER_MS;
	wire_end(&c->wire);
	wire_read(&c->wire, true);
}

/* --- its story --- */

void
client_set_deadline(struct client *c, uint64_t ms)
{
	if (c->all->is_stopping && ms > STOPPING_TIMEOUT_MS)
		ms = STOPPING_TIMEOUT_MS;
	c->deadline_ms = clock_monotonic_ms() + ms;
}

void
client_secure(struct client *c, struct tls_context *tls, uint64_t timeout_ms)
{
	c->state = CLIENT_SECURING;
	c->deadline_ms = clock_monotonic_ms() + timeout_ms;
	if (!wire_secure(&c->wire, tls))
		client_close(c);
}

/* An open question does not stop us: who leaves meanwhile is noticed. */
void
client_pump(struct client *c)
{
	const struct client_calls *calls = c->all->calls;

	calls->run(c->wire.owner);
	if (c->state == CLIENT_OPEN)
		wire_read(&c->wire, calls->room(c->wire.owner) > 0);
}

static size_t
room(const struct wire *wire)
{
	const struct client *c = wire->owner;

	return c->state == CLIENT_OPEN ? c->all->calls->room(wire->owner) : 0;
}

static void
on_input(struct wire *wire, struct bytes text)
{
	struct client *c = wire->owner;

	c->all->calls->input(wire->owner, text);
	client_pump(c);
}

static void
on_ended(struct wire *wire, bool is_reset)
{
	struct client *c = wire->owner;

	c->has_ended = true;
	if (c->state != CLIENT_OPEN) { /* in the handshake, or lingering */
		client_close(c);
		return;
	}
	if (is_reset)
		c->all->calls->gone(wire->owner);
	client_pump(c);
}

static void
on_sent(struct wire *wire, bool is_gone)
{
	struct client *c = wire->owner;

	if (is_gone)
		c->all->calls->gone(wire->owner);
	client_pump(c);
}

static void
on_secured(struct wire *wire)
{
	struct client *c = wire->owner;

	c->state = CLIENT_OPEN;
	c->all->calls->secured(wire->owner);
	client_pump(c);
}

/* --- its beginning --- */

static void
on_connect(const struct lookup_client_rights *rights, void *context)
{
	struct client *c = context;

	c->question = NULL;
	c->all->calls->connected(c->wire.owner, rights);
	client_pump(c);
}

/* Whose account has no name goes by its number. */
static void
on_account(bool try_later, struct bytes name, void *context)
{
	const struct lookup_client_rights rights = {
		.try_later = try_later, .allowed = true, .inside = true,
	};
	struct client *c = context;
	char           number[16];

	c->question = NULL;
	snprintf(number, sizeof number, "%lu", (unsigned long)c->uid);
	c->account = name.n > 0 ? name : bytes_of(number);
	c->all->calls->connected(c->wire.owner, &rights);
	c->account = BYTES("");
	client_pump(c);
}

static void
log_refused(struct client *c, unsigned code, enum limits_result result)
{
	static const char *const why[] = {
		[LIMITS_TOO_MANY] = "too many sessions",
		[LIMITS_TOO_MANY_OF_THEM] = "too many sessions from this address",
	};
	struct event e = event_begin("session-refused", NULL);

	event_text(&e, "peer", bytes_of(c->peer));
	if (code != 0)
		event_number(&e, "code", code);
	event_text(&e, "why", bytes_of(why[result]));
	event_end(&e);
}

static void
refuse(struct client *c, enum limits_result result)
{
	struct clients *all = c->all;
	unsigned        code = 0;

	if (all->calls->refuse)
		code = all->calls->refuse(c->wire.owner, result);
	if (all->n_refused++ < REFUSALS_LOGGED)
		log_refused(c, code, result);
	release(c);
	c->state = CLIENT_CLOSED;
	wire_close(&c->wire);
}

static void
enter(struct client *c)
{
	struct clients *all = c->all;

	c->next = all->first;
	if (c->next)
		c->next->before = c;
	all->first = c;
	all->n++;
	if (c->is_local)
		c->question = lookup_account(all->lookup, c->uid, on_account, c);
	else
		c->question = lookup_connect(
		    all->lookup, all->listener, bytes_of(c->peer), on_connect, c);
	if (c->question == NULL)
		on_connect(&(struct lookup_client_rights){ .try_later = true }, c);
}

/* Whom it counts as: an address, or an account, each one in a network of its own. */
static bool
identify(struct client *c)
{
	enum { UID_BYTES = 4, NETWORK_BYTES = 8 };

	c->is_local = wire_account(&c->wire, &c->uid);
	if (!c->is_local)
		return wire_peer(&c->wire, c->address, c->peer);
	for (unsigned i = 0; i < UID_BYTES; i++)
		c->address[NETWORK_BYTES - 1 - i] = (uint8_t)(c->uid >> 8 * i);
	snprintf(c->peer, sizeof c->peer, "local");
	return true;
}

static bool
on_client(uv_stream_t *listening, void *context)
{
	static const struct wire_calls calls = {
		.room = room,
		.input = on_input,
		.ended = on_ended,
		.sent = on_sent,
		.secured = on_secured,
		.closed = on_closed,
	};
	struct clients    *all = context;
	struct client     *c = calloc(1, all->calls->session_bytes);
	enum limits_result result;

	if (c == NULL)
		return false;
	c->all = all;
	if (!wire_accept(&c->wire, all->loop, listening, &calls, c) ||
	    !identify(c)) {
		wire_close(&c->wire);
		return true;
	}
	c->began_ms = clock_monotonic_ms();
	all->calls->begin(c->wire.owner, all->context);
	result = limits_enter(&all->limits, c->address);
	if (result == LIMITS_ENTERED)
		enter(c);
	else
		refuse(c, result);
	return true;
}

/* --- all of them --- */

bool
clients_init(struct clients *all, uv_loop_t *loop, struct bytes listener,
    int send_buffer_bytes, const struct client_calls *calls,
    void (*emptied)(void *context), void *context)
{
	uint64_t seed;

	*all = (struct clients){
		.loop = loop,
		.listener = listener,
		.calls = calls,
		.emptied = emptied,
		.context = context,
		.listeners = { loop, on_client, all, send_buffer_bytes, false, NULL },
		.lookup = lookup_client_new(loop),
	};
	if (all->lookup == NULL)
		return false;
	random_fill(&seed, sizeof seed);
	limits_init(&all->limits, seed);
	uv_timer_init(loop, &all->timer);
	all->timer.data = all;
	return true;
}

void
clients_listen(struct clients *all, int socket)
{
	if (all->is_stopping)
		close(socket);
	else
		listeners_add(&all->listeners, socket);
}

/*
 * Two thousand sessions are looked at in less time than a timer for each would take
 * to be moved at every command.
 */
static void
on_tick(uv_timer_t *timer)
{
	struct clients *all = timer->data;
	uint64_t        now_ms = clock_monotonic_ms();
	struct client  *next;

	all->n_refused = 0;
	for (struct client *c = all->first; c; c = next) {
		next = c->next;
		all->calls->check_deadline(c->wire.owner, now_ms);
	}
	listeners_retry(&all->listeners);
}

void
clients_open(struct clients *all, size_t max, size_t max_per_address)
{
	limits_set(&all->limits, max, max_per_address);
	if (all->is_stopping)
		return;
	uv_timer_start(&all->timer, on_tick, TICK_MS, TICK_MS);
	listeners_open(&all->listeners);
}

static void
shut_down(struct client *c)
{
	if (c->state == CLIENT_CONNECTING || c->state == CLIENT_SECURING) {
		client_close(c);
	} else if (c->state == CLIENT_OPEN) {
		c->all->calls->shut_down(c->wire.owner);
		client_pump(c);
	}
}

void
clients_stop(struct clients *all)
{
	struct client *next;

	if (all->is_stopping)
		return;
	all->is_stopping = true;
	listeners_close(&all->listeners);
	all->n++; /* not the last one before all were told */
	for (struct client *c = all->first; c; c = next) {
		next = c->next;
		shut_down(c);
	}
	all->n--;
	end_if_last(all);
}
