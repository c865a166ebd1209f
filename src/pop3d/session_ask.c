#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/peer.h"
#include "pop3d/journal.h"
#include "pop3d/session_inside.h"

/* --- the maildrop --- */

static void
answer_no_list(struct session *s, enum pop3_login answer)
{
	pop3_server_answer_login(&s->pop3, answer, BYTES(""), 0);
}

static void
on_listed(bool ok, struct bytes list, size_t n, void *context)
{
	struct session *s = context;

	s->is_listed = ok;
	if (ok) {
		s->n_messages = n;
		s->worker->n_logins++;
		pop3_server_answer_login(&s->pop3, POP3_LOGIN_OK, list, n);
	} else {
		drop_close(s->drop);
		s->drop = NULL;
		journal_maildrop_failed(
		    bytes_of(s->client.peer), bytes_of(s->user));
		answer_no_list(s, POP3_LOGIN_TRY_LATER);
	}
	client_pump(&s->client);
}

static void
answer_message(struct session *s, bool is_open)
{
	if (is_open) {
		s->n_fetched++;
		s->worker->n_fetched++;
	}
	pop3_server_answer_message(&s->pop3, is_open);
}

static void
on_opened(bool is_open, void *context)
{
	struct session *s = context;

	answer_message(s, is_open);
	client_pump(&s->client);
}

void
session_ask_message(struct session *s)
{
	switch (drop_message(s->drop, pop3_server_number(&s->pop3))) {
	case DROP_WAITS:
		return;
	case DROP_IS_OPEN:
		answer_message(s, true);
		return;
	case DROP_CANNOT:
		answer_message(s, false);
		return;
	}
}

void
session_give_text(struct session *s)
{
	static char piece[POP3_TEXT_MAX]; /* of whoever is given some just now */
	bool        is_end = false;
	ssize_t     n = drop_read(s->drop, piece, sizeof piece, &is_end);

	if (n == -1) {
		pop3_server_text_failed(&s->pop3);
		return;
	}
	s->octets_fetched += (uint64_t)n;
	pop3_server_text(&s->pop3, (struct bytes){ piece, (size_t)n }, is_end);
}

/* --- what is removed --- */

static void
on_updated(size_t failed, void *context)
{
	struct session *s = context;

	s->is_updating = false;
	s->n_failed = failed;
	s->n_removed -= failed;
	s->worker->n_removed += s->n_removed;
	pop3_server_answer_update(&s->pop3, failed);
	client_pump(&s->client);
}

void
session_ask_update(struct session *s)
{
	s->is_updating = true;
	s->n_removed = pop3_server_deleted_count(&s->pop3);
	for (size_t i = 1; i <= s->n_messages; i++)
		if (pop3_server_is_deleted(&s->pop3, i))
			drop_remove(s->drop, i);
	drop_update(s->drop);
}

/* --- the login --- */

static void
close_mailbox(struct session *s)
{
	if (s->mailbox != -1)
		close(s->mailbox);
	s->mailbox = -1;
}

/* Auth has said yes, and told the supervisor: mailbox is on its way. */
static bool
open_drop(struct session *s, struct bytes user)
{
	static const struct drop_calls calls = { on_listed, on_opened, on_updated };
	int                            socket = s->mailbox;

	s->mailbox = -1;
	free(s->user);
	s->user = strndup(user.p, user.n);
	if (s->user == NULL) {
		close(socket);
		return false;
	}
	s->drop = drop_open(&s->worker->drops, socket, &calls, s);
	return s->drop != NULL;
}

static void
on_auth(enum password_answer answer, struct bytes user, void *context)
{
	struct session *s = context;

	s->login = NULL;
	if (answer == PASSWORD_YES) {
		if (!open_drop(s, user))
			answer_no_list(s, POP3_LOGIN_TRY_LATER);
	} else {
		close_mailbox(s);
		answer_no_list(s,
		    answer == PASSWORD_NO ? POP3_LOGIN_NO : POP3_LOGIN_TRY_LATER);
	}
	client_pump(&s->client);
}

void
session_ask_login(struct session *s)
{
	int pair[2];

	if (peer_pair(pair) == 0) {
		s->mailbox = pair[0];
		s->login = auth_ask(s->worker->auth, s->client.all->listener,
		    bytes_of(s->client.peer), pop3_server_user(&s->pop3),
		    pop3_server_password(&s->pop3), pair[1], on_auth, s);
		close(pair[1]);
	}
	if (s->login == NULL) {
		close_mailbox(s);
		answer_no_list(s, POP3_LOGIN_TRY_LATER);
	}
}

/* --- all of them --- */

bool
session_is_asking(struct session *s, uint64_t now_ms)
{
	return s->client.question || s->login ||
	    (s->drop && drop_is_asking(s->drop, now_ms));
}

bool
session_is_logging_in(const struct session *s)
{
	return s->login || (s->drop && !s->is_listed);
}

void
session_forget_questions(struct session *s)
{
	auth_forget(s->login);
	s->login = NULL;
	close_mailbox(s);
	drop_close(s->drop);
	s->drop = NULL;
}
