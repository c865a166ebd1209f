#include "smtpd/record.h"

#include "service/event.h"

static const char *
event_of(uint16_t code)
{
	if (code < 400)
		return "accept";
	return code < 500 ? "defer" : "reject";
}

static void
add_reply(struct event *e, uint16_t code, struct status status, struct bytes why)
{
	event_number(e, "code", code);
	if (status.class != 0)
		event_status(e, "status", status);
	if (why.n > 0)
		event_text(e, "why", why);
}

void
record_connect(struct bytes peer, const struct smtp_reply *reply)
{
	struct event e = event_begin("connect-refused", NULL);

	event_text(&e, "peer", peer);
	add_reply(&e, reply->code, reply->status, reply->text);
	event_end(&e);
}

/* A recipient is refused before the message has an id. */
static void
record_recipient(
    const struct envelope *envelope, const struct smtp_refusal *refusal)
{
	const struct smtp_reply *reply = &refusal->reply;
	struct event             e = event_begin(event_of(reply->code), NULL);

	event_text(&e, "peer", envelope->peer_address);
	event_text(&e, "helo", envelope->helo);
	event_path(&e, "from", envelope->reverse_path);
	event_path(&e, "rcpt", refusal->recipient);
	add_reply(&e, reply->code, reply->status, reply->text);
	event_end(&e);
}

void
record_refusal(
    const struct envelope *envelope, const struct smtp_refusal *refusal)
{
	struct record r = {
		.id = envelope->id,
		.peer = envelope->peer_address,
		.from = envelope->reverse_path,
		.n_recipients = envelope->n_recipients,
		.size_bytes = envelope->size_bytes,
	};

	if (refusal->recipient.n > 0) {
		record_recipient(envelope, refusal);
		return;
	}
	if (envelope->n_recipients > 0)
		r.rcpt = envelope->recipients[0].address;
	record_message(
	    &r, refusal->reply.code, refusal->reply.status, refusal->reply.text);
}

static void
add_message(struct event *e, const struct record *r)
{
	event_text(e, "peer", r->peer);
	event_path(e, "from", r->from);
	event_path(e, "rcpt", r->rcpt);
	event_number(e, "recipients", r->n_recipients);
	event_number(e, "size", r->size_bytes);
}

void
record_message(const struct record *r, uint16_t code, struct status status,
    struct bytes why)
{
	struct event e = event_begin(event_of(code), &r->id);

	add_message(&e, r);
	event_number(&e, "ms", r->duration_ms);
	add_reply(&e, code, status, why);
	event_end(&e);
}

void
record_cancelled(const struct record *r)
{
	struct event e = event_begin("cancel", &r->id);

	add_message(&e, r);
	event_number(&e, "ms", r->duration_ms);
	event_text(&e, "why", BYTES("client gone"));
	event_end(&e);
}
