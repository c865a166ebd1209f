#include "smtpd/session_inside.h"

/* --- auth --- */

static void
on_auth(enum password_answer answer, struct bytes user, void *context)
{
	static const enum smtp_auth_answer answers[] = {
		[PASSWORD_NO] = SMTP_AUTH_NO,
		[PASSWORD_YES] = SMTP_AUTH_YES,
		[PASSWORD_TRY_LATER] = SMTP_AUTH_TRY_LATER,
	};
	struct session *s = context;

	s->login = NULL;
	smtp_server_answer_auth(&s->smtp, answers[answer], user);
	client_pump(&s->client);
}

void
session_ask_auth(struct session *s)
{
	s->login = auth_ask(s->worker->auth, s->client.all->listener,
	    bytes_of(s->client.peer), smtp_server_user(&s->smtp),
	    smtp_server_password(&s->smtp), -1, on_auth, s);
	if (s->login == NULL)
		smtp_server_answer_auth(
		    &s->smtp, SMTP_AUTH_TRY_LATER, BYTES(""));
}

/* --- lookup --- */

static void
on_sender(bool try_later, bool is_own, void *context)
{
	struct session         *s = context;
	enum smtp_sender_answer answer =
	    is_own ? SMTP_SENDER_OWN : SMTP_SENDER_NOT_OWN;

	s->client.question = NULL;
	smtp_server_answer_sender(
	    &s->smtp, try_later ? SMTP_SENDER_TRY_LATER : answer);
	client_pump(&s->client);
}

void
session_ask_sender(struct session *s)
{
	s->client.question = lookup_sender(s->client.all->lookup,
	    smtp_server_authenticated(&s->smtp), smtp_server_sender(&s->smtp),
	    on_sender, s);
	if (s->client.question == NULL)
		smtp_server_answer_sender(&s->smtp, SMTP_SENDER_TRY_LATER);
}

static void
on_recipient(enum recipient_answer answer, void *context)
{
	static const enum smtp_recipient_answer answers[] = {
		[RECIPIENT_UNKNOWN] = SMTP_RECIPIENT_UNKNOWN,
		[RECIPIENT_NOT_OURS] = SMTP_RECIPIENT_NOT_OURS,
		[RECIPIENT_OK] = SMTP_RECIPIENT_OK,
		[RECIPIENT_TRY_LATER] = SMTP_RECIPIENT_TRY_LATER,
		[RECIPIENT_LIMIT] = SMTP_RECIPIENT_LIMIT,
	};
	struct session *s = context;

	s->client.question = NULL;
	smtp_server_answer_recipient(&s->smtp, answers[answer]);
	client_pump(&s->client);
}

void
session_ask_recipient(struct session *s)
{
	struct bytes user = smtp_server_authenticated(&s->smtp);

	if (s->client.is_local) /* what a program of this host sends is not counted */
		user = BYTES("");
	s->client.question = lookup_recipient(s->client.all->lookup,
	    smtp_server_recipient(&s->smtp), user, on_recipient, s);
	if (s->client.question == NULL)
		smtp_server_answer_recipient(&s->smtp, SMTP_RECIPIENT_TRY_LATER);
}

bool
session_is_asking(const struct session *s)
{
	return s->client.question || s->login;
}
