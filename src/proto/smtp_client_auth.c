/* AUTH as a client, RFC 4954, with PLAIN (RFC 4616) or LOGIN. Only under TLS. */
#include "proto/smtp_client_private.h"

#include "base/base64.h"
#include "proto/sasl.h"

enum {
	MESSAGE_MAX = SASL_USER_MAX + SASL_PASSWORD_MAX + 2,
	/* RFC 5321 section 4.5.3.1.4: octets of a command line with its CRLF */
	COMMAND_MAX = 512,
};

static size_t
base64_len(size_t n)
{
	return (n + 2) / 3 * 4;
}

/*
 * A line with a secret, of n octets in clear. Room for all of it comes first: a buffer
 * that grew would leave a copy behind. Nothing more is added until it is sent.
 */
static void
say_secret(struct smtp_client *c, const char *front, struct bytes secret,
    enum smtp_client_await what)
{
	buf_room(&c->out, COMMAND_MAX + base64_len(secret.n));
	buf_add_string(&c->out, front);
	base64_add(&c->out, secret);
	buf_add_string(&c->out, "\r\n");
	c->has_secret = true;
	smtp_client_await(c, what);
}

/* RFC 4616 section 2: we act in no other name. */
static void
say_plain(struct smtp_client *c, const char *front)
{
	struct buf message;

	buf_init(&message, MESSAGE_MAX);
	buf_room(&message, MESSAGE_MAX);
	buf_add_char(&message, '\0');
	buf_add_bytes(&message, c->policy.user);
	buf_add_char(&message, '\0');
	buf_add_bytes(&message, c->policy.password);
	c->out.failed |= message.failed;
	say_secret(c, front, buf_bytes(&message), SMTP_AWAIT_AUTH_END);
	buf_wipe(&message);
}

/* RFC 4954 section 4: an initial response must not make the line longer than a command is. */
static void
begin_plain(struct smtp_client *c)
{
	static const char front[] = "AUTH PLAIN ";
	size_t            n = c->policy.user.n + c->policy.password.n + 2;

	if (sizeof front - 1 + base64_len(n) + 2 <= COMMAND_MAX)
		say_plain(c, front);
	else
		smtp_client_say(c, "AUTH PLAIN", SMTP_AWAIT_AUTH_PLAIN);
}

void
smtp_client_auth_begin(struct smtp_client *c)
{
	if (c->policy.user.n == 0)
		smtp_client_auth_done(c);
	else if (!c->is_secure)
		smtp_client_part(c, SMTP_CLIENT_FAULT_TLS, STATUS(4, 7, 4),
		    BYTES("AUTH is for connections under TLS only"));
	else if (smtp_client_offers(c, SMTP_OFFER_AUTH_PLAIN))
		begin_plain(c);
	else if (smtp_client_offers(c, SMTP_OFFER_AUTH_LOGIN))
		smtp_client_say(c, "AUTH LOGIN", SMTP_AWAIT_AUTH_LOGIN);
	else
		smtp_client_part(c, SMTP_CLIENT_FAULT_PERMANENT, STATUS(5, 7, 4),
		    BYTES("the server offers neither AUTH PLAIN nor AUTH LOGIN"));
}

void
smtp_client_auth_plain(struct smtp_client *c)
{
	say_plain(c, "");
}

/* Its name, which is no secret, but stands there in the same form. */
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
	c->state = SMTP_CLIENT_STATE_READY;
}
