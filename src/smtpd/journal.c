#include "smtpd/journal.h"

#include "service/event.h"

static const char *
event_name(unsigned code)
{
	if (code >= 500)
		return "reject";
	return code >= 400 ? "defer" : "accept";
}

static void
add_if_any(struct event *e, const char *key, struct bytes value)
{
	if (value.n > 0)
		event_text(e, key, value);
}

static struct event
begin_message(const char *name, const struct journal_message *m)
{
	struct event e = event_begin(name, &m->id);

	event_text(&e, "peer", m->peer);
	add_if_any(&e, "user", m->user);
	event_path(&e, "from", m->from);
	event_path(&e, "rcpt", m->rcpt);
	event_number(&e, "recipients", m->n_recipients);
	event_number(&e, "size", m->size_bytes);
	add_if_any(&e, "tls", m->tls);
	return e;
}

/* The data of a message came before it was refused. */
static bool
is_about_message(const struct smtp_refusal *refusal)
{
	return refusal->recipient.n == 0 && refusal->envelope &&
	    refusal->envelope->arrival_ms > 0;
}

static struct event
begin_refusal(
    struct bytes peer, struct bytes user, const struct smtp_refusal *refusal)
{
	const struct envelope *envelope = refusal->envelope;
	const char            *name = event_name(refusal->reply.code);
	struct event           e;

	if (is_about_message(refusal)) {
		struct journal_message m = {
			.id = envelope->id,
			.peer = peer,
			.from = envelope->reverse_path,
			.rcpt = envelope->recipients[0].address,
			.user = user,
			.tls = envelope->tls,
			.n_recipients = envelope->n_recipients,
			.size_bytes = envelope->size_bytes,
		};

		return begin_message(name, &m);
	}
	e = event_begin(name, NULL);
	event_text(&e, "peer", peer);
	add_if_any(&e, "user", user);
	if (envelope)
		event_path(&e, "from", envelope->reverse_path);
	if (refusal->recipient.n > 0)
		event_path(&e, "rcpt", refusal->recipient);
	return e;
}

bool
journal_is_worth(const struct smtp_refusal *refusal)
{
	unsigned code = refusal->reply.code;
	bool     is_syntax = code >= 500 && code <= 504 && refusal->recipient.n == 0;

	return refusal->closes || !is_syntax;
}

void
journal_refusal(struct bytes peer, struct bytes user,
    const struct smtp_refusal *refusal)
{
	struct event e = begin_refusal(peer, user, refusal);

	event_number(&e, "code", refusal->reply.code);
	event_text(&e, "why", refusal->reply.text);
	event_end(&e);
}

void
journal_result(const struct journal_message *m,
    const struct submit_result *result, const char *why)
{
	struct event e = begin_message(event_name(result->code), m);

	event_number(&e, "code", result->code);
	event_number(&e, "ms", m->ms);
	event_text(&e, "why", why ? bytes_of(why) : result->text);
	event_end(&e);
}

void
journal_cancel(const struct journal_message *m, const char *why)
{
	struct event e = begin_message("cancel", m);

	event_number(&e, "ms", m->ms);
	event_text(&e, "why", bytes_of(why));
	event_end(&e);
}
