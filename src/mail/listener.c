#include "mail/listener.h"

#include "mail/suggest.h"

struct listener {
	const char            *name;
	enum listener_state    state;
	struct listener_policy policy; /* of one that is offered */
};

static const struct listener listeners[] = {
	{ "smtp", LISTENER_OFFERED, { LISTENER_SMTP, LISTENER_STARTTLS, false, false } },
	{ "smtps", LISTENER_OFFERED, { LISTENER_SMTP, LISTENER_TLS, true, false } },
	{ "submission", LISTENER_OFFERED,
	    { LISTENER_SMTP, LISTENER_STARTTLS_REQUIRED, true, false } },
	{ "pop3s", LISTENER_OFFERED, { LISTENER_POP3, LISTENER_TLS, true, false } },
	{ "local", LISTENER_OFFERED, { LISTENER_SMTP, LISTENER_CLEAR, false, true } },
	{ "pop3", LISTENER_REFUSED, { 0 } },
};

enum { LISTENERS = sizeof listeners / sizeof listeners[0] };

enum listener_state
listener_find(struct bytes name)
{
	for (size_t i = 0; i < LISTENERS; i++)
		if (bytes_equal(name, bytes_of(listeners[i].name)))
			return listeners[i].state;
	return LISTENER_UNKNOWN;
}

const struct listener_policy *
listener_policy(struct bytes name)
{
	for (size_t i = 0; i < LISTENERS; i++)
		if (bytes_equal(name, bytes_of(listeners[i].name)) &&
		    listeners[i].state == LISTENER_OFFERED)
			return &listeners[i].policy;
	return NULL;
}

void
listener_add_mistake(struct bytes name, unsigned line, struct arena *arena,
    struct mistakes *mistakes)
{
	struct suggestion near = suggestion_for(name);
	char              text[SUGGESTION_TEXT];
	struct bytes      shown = bytes_first(name, 60);

	switch (listener_find(name)) {
	case LISTENER_OFFERED:
		return;
	case LISTENER_REFUSED:
		mistakes_add(mistakes, arena, line,
		    "there is no listener \"%.*s\": passwords would cross the "
		    "network in the clear; use pop3s", BYTES_ARG(shown));
		return;
	case LISTENER_UNKNOWN:
		break;
	}
	for (size_t i = 0; i < LISTENERS; i++)
		if (listeners[i].state != LISTENER_REFUSED)
			suggestion_offer(&near, listeners[i].name);
	mistakes_add(mistakes, arena, line, "unknown listener \"%.*s\"%s",
	    BYTES_ARG(shown), suggestion_text(&near, text));
}
