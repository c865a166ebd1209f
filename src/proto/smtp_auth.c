/* Who the client is, by RFC 4954 or as an account of this host, and in whose name he may send. */
#include "proto/smtp_server_private.h"

static const struct smtp_reply wrong = { 535, { 5, 7, 8 },
	BYTES_INIT("user or password is wrong") };

void
smtp_auth_over(struct smtp_server *s)
{
	sasl_finish(&s->sasl);
	s->state = SMTP_STATE_READY;
}

/* An exchange goes on, or has come to its end. */
static void
settle(struct smtp_server *s, enum sasl_result result)
{
	s->state = SMTP_STATE_READY;
	switch (result) {
	case SASL_CONTINUE:
		s->state = SMTP_STATE_AUTH;
		buf_addf(&s->out, "334 %.*s\r\n", BYTES_ARG(sasl_challenge(&s->sasl)));
		break;
	case SASL_DONE:
		smtp_server_ask(s, SMTP_QUESTION_AUTH);
		break;
	case SASL_CANCELLED:
		smtp_server_reply(s, SMTP_REPLY(501, 5, 7, 0, "cancelled"));
		break;
	case SASL_MALFORMED:
		smtp_server_reply(s, SMTP_REPLY(501, 5, 5, 2, "that is no such response"));
		break;
	case SASL_FORBIDDEN:
		smtp_server_reply(s, wrong);
		break;
	}
}

void
smtp_auth_begin(struct smtp_server *s, struct bytes arg)
{
	size_t              blank = bytes_find(arg, ' ');
	enum sasl_mechanism mechanism = sasl_find(bytes_first(arg, blank));
	struct bytes        initial = bytes_trim(bytes_from(arg, blank));

	if (!smtp_auth_is_offered(s)) {
		smtp_server_reply(s, SMTP_REPLY(530, 5, 7, 0, "STARTTLS first"));
	} else if (!s->esmtp) {
		smtp_server_reply(s, SMTP_REPLY(503, 5, 5, 1, "EHLO first"));
	} else if (s->user.len > 0) {
		/* RFC 4954 section 4: once in a session */
		smtp_server_reply(
		    s, SMTP_REPLY(503, 5, 5, 1, "you have authenticated already"));
	} else if (mechanism == SASL_NONE) {
		smtp_server_reply(s, SMTP_REPLY(504, 5, 5, 4, "only PLAIN and LOGIN"));
	} else {
		if (initial.n == 0)
			initial = bytes_of(NULL);
		settle(s, sasl_begin(&s->sasl, mechanism, initial));
	}
}

void
smtp_auth_line(struct smtp_server *s, struct bytes line)
{
	settle(s, sasl_line(&s->sasl, line));
}

bool
smtp_auth_is_offered(const struct smtp_server *s)
{
	return s->policy->auth && s->is_secure;
}

struct bytes
smtp_server_user(const struct smtp_server *s)
{
	return buf_bytes(&s->sasl.user);
}

struct bytes
smtp_server_password(const struct smtp_server *s)
{
	return buf_bytes(&s->sasl.password);
}

void
smtp_server_account(struct smtp_server *s, struct bytes name, uint32_t uid)
{
	if (!s->policy->is_local || s->state != SMTP_STATE_NEW)
		return;
	buf_clear(&s->user);
	buf_add_bytes(&s->user, name);
	s->out.failed |= s->user.failed;
	s->uid = uid;
	s->may_relay = true;
}

struct bytes
smtp_server_authenticated(const struct smtp_server *s)
{
	return buf_bytes(&s->user);
}

static void
accept_user(struct smtp_server *s, struct bytes user)
{
	buf_add_bytes(&s->user, user);
	s->out.failed |= s->user.failed;
	s->may_relay = true;
	smtp_server_reply(s, SMTP_REPLY(235, 2, 7, 0, "welcome"));
}

void
smtp_server_answer_auth(
    struct smtp_server *s, enum smtp_auth_answer answer, struct bytes user)
{
	if (s->question != SMTP_QUESTION_AUTH)
		return;
	s->question = SMTP_NO_QUESTION;
	if (answer == SMTP_AUTH_NO)
		smtp_server_reply(s, wrong);
	else if (answer == SMTP_AUTH_YES && user.n > 0)
		accept_user(s, user);
	else
		smtp_server_reply(s,
		    SMTP_REPLY(454, 4, 7, 0, "cannot be checked now, try again later"));
	smtp_auth_over(s);
}

/* --- in whose name --- */

bool
smtp_sender_is_asked(const struct smtp_server *s, const struct smtp_mail *mail)
{
	/* RFC 8098 section 3: a user's mail program sends <> too. */
	return s->policy->auth && !s->policy->any_sender && !mail->is_null;
}

struct bytes
smtp_server_sender(const struct smtp_server *s)
{
	return buf_bytes(&s->sender);
}

void
smtp_server_answer_sender(struct smtp_server *s, enum smtp_sender_answer answer)
{
	static const struct smtp_reply refusals[] = {
		[SMTP_SENDER_NOT_OWN] = { 553, { 5, 7, 1 },
		    BYTES_INIT("you may send from addresses of your own only") },
		[SMTP_SENDER_TRY_LATER] = { 451, { 4, 3, 0 },
		    BYTES_INIT("cannot be looked up now, try again later") },
	};

	if (s->question != SMTP_QUESTION_SENDER)
		return;
	s->question = SMTP_NO_QUESTION;
	buf_finish(&s->sender);
	if (answer == SMTP_SENDER_OWN) {
		smtp_server_open_transaction(s);
		return;
	}
	smtp_server_reply(s, refusals[answer]);
	smtp_server_end_transaction(s);
}
