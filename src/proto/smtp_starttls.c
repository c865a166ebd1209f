/* TLS in the middle of a session, RFC 3207, or from its beginning. */
#include "proto/smtp_server_private.h"

#include "base/printable.h"

bool
smtp_starttls_is_offered(const struct smtp_server *s)
{
	return !s->is_secure &&
	    (s->policy->tls == LISTENER_STARTTLS ||
	        s->policy->tls == LISTENER_STARTTLS_REQUIRED);
}

bool
smtp_starttls_is_due(const struct smtp_server *s)
{
	return !s->is_secure &&
	    (s->policy->tls == LISTENER_STARTTLS_REQUIRED ||
	        s->policy->tls == LISTENER_TLS);
}

/*
 * What stands behind STARTTLS was sent in the clear, perhaps by somebody in between, and
 * would be taken for what the client says under TLS.
 */
static const struct smtp_reply in_the_clear = { 501, { 5, 5, 4 },
	BYTES_INIT("nothing may stand behind STARTTLS; closing") };

void
smtp_starttls_begin(struct smtp_server *s, struct bytes arg)
{
	(void)arg;
	if (s->policy->tls == LISTENER_CLEAR) {
		smtp_server_reply(s, SMTP_REPLY(502, 5, 5, 1, "command not implemented"));
		return;
	}
	if (!smtp_starttls_is_offered(s)) {
		smtp_server_reply(s, SMTP_REPLY(503, 5, 5, 1, "TLS is there already"));
		return;
	}
	if (smtp_server_has_input(s)) {
		smtp_server_end(s, in_the_clear);
		return;
	}
	/* RFC 3207 section 4.2: nothing of it will count. */
	smtp_server_end_transaction(s);
	smtp_server_reply(s, SMTP_REPLY(220, 2, 0, 0, "begin TLS"));
	smtp_server_ask(s, SMTP_QUESTION_HANDSHAKE);
}

bool
smtp_starttls_forbids_input(struct smtp_server *s)
{
	if (s->question != SMTP_QUESTION_HANDSHAKE)
		return false;
	smtp_server_end(s, in_the_clear);
	return true;
}

/* RFC 3207 section 4.2. The errors still count: TLS is no way to new ones. */
static void
forget_session(struct smtp_server *s)
{
	s->question = SMTP_NO_QUESTION;
	s->state = SMTP_STATE_START;
	s->line = (struct smtp_line){ .octets = 0 };
	s->esmtp = false;
	buf_finish(&s->helo);
}

void
smtp_server_secured(struct smtp_server *s, struct bytes tls)
{
	if (s->is_secure)
		return;
	if (s->question == SMTP_QUESTION_HANDSHAKE)
		forget_session(s);
	else if (s->state != SMTP_STATE_NEW)
		return;
	s->is_secure = true;
	printable_add(&s->tls, tls, SMTP_TLS_MAX);
	s->out.failed |= s->tls.failed;
}
