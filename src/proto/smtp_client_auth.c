/*
 * AUTH, RFC 4954, under TLS only: PLAIN (RFC 4616), else LOGIN.
 */
#include <string.h>

#include "base/base64.h"
#include "proto/smtp_client_private.h"

enum { CREDENTIALS_MAX = 2048 };

static void
be_ready(struct smtp_client *c)
{
	c->state = SMTP_CLIENT_STATE_READY;
}

/* Room for all of it first: a buffer that grows leaves copies behind. */
static void
say_secret(struct smtp_client *c, const char *verb, struct bytes secret,
    enum smtp_client_await what)
{
	if (buf_room(&c->out, strlen(verb) + 2 * secret.n + 16) == NULL)
		return;
	c->has_secret = true;
	buf_add_string(&c->out, verb);
	base64_add(&c->out, secret);
	buf_add_string(&c->out, "\r\n");
	smtp_client_await(c, what);
}

static void
say_plain(struct smtp_client *c, const char *verb)
{
	struct buf both;

	buf_init(&both, CREDENTIALS_MAX);
	if (buf_room(&both, c->policy.user.n + c->policy.password.n + 2)) {
		buf_add_char(&both, '\0');
		buf_add_bytes(&both, c->policy.user);
		buf_add_char(&both, '\0');
		buf_add_bytes(&both, c->policy.password);
	}
	if (both.failed)
		smtp_client_part(c, SMTP_CLIENT_FAULT_PERMANENT,
		    STATUS(5, 7, 8), BYTES("the password is too long"));
	else
		say_secret(c, verb, buf_bytes(&both), SMTP_AWAIT_AUTH_END);
	buf_wipe(&both);
}

void
smtp_client_auth_begin(struct smtp_client *c)
{
	if (c->policy.user.n == 0)
		be_ready(c);
	else if (!c->is_secure)
		smtp_client_part(c, SMTP_CLIENT_FAULT_TLS, STATUS(4, 7, 5),
		    BYTES("no password is sent without TLS"));
	else if (smtp_client_offers(c, SMTP_OFFER_AUTH_PLAIN))
		say_plain(c, "AUTH PLAIN ");
	else if (smtp_client_offers(c, SMTP_OFFER_AUTH_LOGIN))
		smtp_client_say(c, "AUTH LOGIN", SMTP_AWAIT_AUTH_LOGIN);
	else
		smtp_client_part(c, SMTP_CLIENT_FAULT_PERMANENT,
		    STATUS(5, 7, 0), BYTES("AUTH PLAIN and LOGIN are not offered"));
}

void
smtp_client_auth_plain(struct smtp_client *c)
{
	say_plain(c, "");
}

void
smtp_client_auth_user(struct smtp_client *c)
{
	say_secret(c, "", c->policy.user, SMTP_AWAIT_AUTH_USER);
}

void
smtp_client_auth_password(struct smtp_client *c)
{
	say_secret(c, "", c->policy.password, SMTP_AWAIT_AUTH_END);
}

void
smtp_client_auth_done(struct smtp_client *c)
{
	be_ready(c);
}
