#include "remote/connection_inside.h"

#include <stdio.h>

#include "service/event.h"

_Static_assert((int)BATCH_MAX == (int)SMTP_CLIENT_RECIPIENTS_MAX,
    "a batch is a transaction");

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

void
connection_feed_body(struct connection *c)
{
	struct bytes piece;

	if (!body_next(&c->body, &piece)) {
		abort_transaction(c);
		return;
	}
	c->is_past_end = body_is_read(&c->body);
	smtp_client_body(c->smtp, piece, c->is_past_end);
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
	struct body                 body = { first->body, 0, first->size_bytes };
	struct smtp_transaction_out t = {
		.reverse_path = first->reverse_path,
		.ret = first->ret,
		.envid = first->envid,
		.body = first->body_type,
		.smtputf8 = first->smtputf8,
		.size_bytes = first->size_bytes,
		.has_8bit = body_has_8bit(&body),
		.recipients = c->batch.recipients,
		.n_recipients = c->batch.n,
	};

	c->body = body;
	c->is_under_way = true;
	c->is_past_end = false;
	c->transaction_until_ms = uv_now(c->timer.loop) +
	    CONNECTION_TRANSACTION_TIMES * c->order.timeout_ms;
	describe_protection(c);
	smtp_client_begin(c->smtp, &t);
}

bool
connection_find_work(struct connection *c)
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
		connection_set_deadline(c, CONNECTION_IDLE_MS);
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

void
connection_end_transaction(struct connection *c)
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
