#include "pop3d/journal.h"

#include "service/event.h"

void
journal_login(const struct journal_login *login)
{
	static const char *const names[] = {
		[PASSWORD_NO] = "no",
		[PASSWORD_YES] = "yes",
		[PASSWORD_TRY_LATER] = "later",
	};
	struct event e = event_begin("login", NULL);

	event_text(&e, "peer", login->peer);
	event_text(&e, "listener", BYTES("pop3s"));
	event_text(&e, "user", login->user);
	event_text(&e, "result", bytes_of(names[login->answer]));
	event_number(&e, "ms", login->ms);
	if (login->answer == PASSWORD_TRY_LATER)
		event_text(&e, "why", login->why);
	event_end(&e);
}

void
journal_maildrop_failed(struct bytes peer, struct bytes user)
{
	struct event e = event_begin("maildrop-failed", NULL);

	event_text(&e, "peer", peer);
	event_text(&e, "user", user);
	event_end(&e);
}

void
journal_session(const struct journal_session *session)
{
	struct event e = event_begin("pop3", NULL);

	event_text(&e, "peer", session->peer);
	event_text(&e, "user", session->user);
	event_number(&e, "messages", session->n_messages);
	event_number(&e, "fetched", session->n_fetched);
	event_number(&e, "octets", session->octets_fetched);
	event_number(&e, "removed", session->n_removed);
	if (session->n_failed > 0)
		event_number(&e, "failed", session->n_failed);
	event_number(&e, "ms", session->ms);
	event_text(&e, "tls", session->tls);
	event_end(&e);
}
