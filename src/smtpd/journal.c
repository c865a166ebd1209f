#include "smtpd/journal.h"

#include "service/event.h"

static const char *
event_name(unsigned code)
{
	if (code >= 500)
		return "reject";
	return code >= 400 ? "defer" : "accept";
}

void
journal_session_refused(struct bytes peer, unsigned code, const char *why)
{
	struct event e = event_begin("session-refused", NULL);

	event_text(&e, "peer", peer);
	event_number(&e, "code", code);
	event_text(&e, "why", bytes_of(why));
	event_end(&e);
}

void
journal_refusal(struct bytes peer, const struct smtp_refusal *refusal)
{
	struct event e = event_begin(event_name(refusal->reply.code), NULL);

	event_text(&e, "peer", peer);
	if (refusal->envelope)
		event_path(&e, "from", refusal->envelope->reverse_path);
	if (refusal->recipient.n > 0)
		event_path(&e, "rcpt", refusal->recipient);
	event_number(&e, "code", refusal->reply.code);
	event_text(&e, "why", refusal->reply.text);
	event_end(&e);
}

static struct event
begin_message(const char *name, const struct journal_message *m)
{
	struct event e = event_begin(name, &m->id);

	event_text(&e, "peer", m->peer);
	event_path(&e, "from", m->from);
	event_number(&e, "recipients", m->n_recipients);
	event_number(&e, "size", m->size_bytes);
	return e;
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
