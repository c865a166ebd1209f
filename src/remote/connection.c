#include "remote/connection_inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "remote/dial.h"

enum { STEPS_AT_ONCE = 16 }; /* then other connections have their turn */

static void run(struct connection *c);
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

void
connection_fail(struct connection *c, enum problem_kind kind,
    struct status status, const char *format, ...)
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

void
connection_set_deadline(struct connection *c, uint64_t ms)
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

void
connection_restart_clock(struct connection *c)
{
	if (c->is_quitting && !c->is_under_way)
		connection_set_deadline(c, CONNECTION_QUIT_MS);
	else
		connection_set_deadline(c,
		    smtp_client_deadline_ms(c->smtp, c->order.timeout_ms));
}

static void
on_deadline(uv_timer_t *timer)
{
	struct connection *c = timer->data;

	switch (c->state) {
	case STATE_CONNECTING:
		connection_fail(c, PROBLEM_TEMPORARY, STATUS(4, 4, 1),
		    "connection timed out");
		return;
	case STATE_SECURING:
		if (c->order.policy.tls == SMTP_CLIENT_TLS_ALREADY) {
			connection_fail(c, PROBLEM_TLS, STATUS(4, 7, 5),
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

/* --- the story --- */

/* One event of the engine. False: something is to be waited for, or it is over. */
static bool
step(struct connection *c)
{
	enum connection_said f;

	switch (smtp_client_next(c->smtp)) {
	case SMTP_CLIENT_MORE:
		return connection_say(c) == SAID_BROKEN;
	case SMTP_CLIENT_FLUSH:
		return connection_say(c) != SAID_SOME;
	case SMTP_CLIENT_HANDSHAKE:
		f = connection_say(c);
		if (f == SAID && !connection_start_tls(c))
			smtp_client_secured(c->smtp, false, BYTES("no memory"));
		return f != SAID_SOME;
	case SMTP_CLIENT_IDLE:
		return connection_find_work(c);
	case SMTP_CLIENT_BODY:
		connection_restart_clock(c);
		connection_feed_body(c);
		return true;
	case SMTP_CLIENT_DONE:
		connection_end_transaction(c);
		return true;
	case SMTP_CLIENT_CLOSE:
		connection_flush(c);
		take_fault(c);
		if (c->is_under_way && !smtp_client_is_untried(c->smtp))
			connection_end_transaction(c);
		end(c);
		return false;
	}
	return false;
}

static void
run(struct connection *c)
{
	int steps = 0;

	if (c->state == STATE_SECURING)
		connection_shake_hands(c);
	while (c->state == STATE_TALKING && steps < STEPS_AT_ONCE &&
	    (step(c) || connection_open_sealed(c)))
		steps++;
	if (c->state == STATE_SECURING)
		connection_shake_hands(c);
	if (c->state == STATE_CLOSED)
		return;
	if (steps == STEPS_AT_ONCE)
		uv_idle_start(&c->later, on_later);
	watch_for_next(c);
}

/* --- connecting --- */

static void
fail_connect(struct connection *c, int error)
{
	char text[128];

	dial_error_text(error, text, sizeof text);
	if (dial_is_our_fault(error))
		connection_fail(c, PROBLEM_OURS, STATUS(4, 3, 0), "%s", text);
	else
		connection_fail(c, PROBLEM_TEMPORARY, STATUS(4, 4, 1), "%s", text);
}

static void
connected(struct connection *c)
{
	int error = dial_result(c->socket);

	if (error != 0) {
		fail_connect(c, error);
		return;
	}
	c->state = STATE_TALKING;
	if (c->order.policy.tls == SMTP_CLIENT_TLS_ALREADY && !connection_start_tls(c)) {
		connection_fail(c, PROBLEM_OURS, STATUS(4, 3, 0), "no memory");
		return;
	}
	if (c->state == STATE_TALKING)
		connection_restart_clock(c);
}

static void
on_event(uv_poll_t *poll, int status, int events)
{
	struct connection *c = poll->data;

	if (c->state == STATE_CONNECTING) {
		connected(c);
	} else if (status < 0) {
		connection_lost(c);
	} else if (events & UV_READABLE) {
		connection_hear(c);
	}
	if (c->state != STATE_CLOSED)
		run(c);
}

static void
begin(struct connection *c)
{
	c->socket = dial(c->order.address, c->order.port);
	if (c->socket == -1) {
		fail_connect(c, errno);
		return;
	}
	c->poll.data = c;
	if (uv_poll_init(c->timer.loop, &c->poll, c->socket) != 0) {
		close(c->socket);
		c->socket = -1;
		fail_connect(c, ENOMEM);
		return;
	}
	c->handles++;
	c->state = STATE_CONNECTING;
	connection_set_deadline(c, c->order.connect_timeout_ms);
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
