/* How a connection begins: the greeting, EHLO or HELO, STARTTLS. */
#include "mail/address.h"
#include "proto/smtp_client_private.h"

/* What the server calls itself, in its greeting and in its reply to EHLO and HELO. */
static struct bytes
name_of_server(const struct smtp_client *c)
{
	struct bytes text = bytes_from(buf_bytes(&c->reply.text), sizeof "220");

	return bytes_first(text, bytes_find(text, ' '));
}

static void
note_name(struct smtp_client *c)
{
	struct bytes name = name_of_server(c);

	if (!address_domain_is_valid(name) ||
	    !bytes_to_string(name, c->server_name, sizeof c->server_name))
		c->server_name[0] = '\0';
}

/* We would send the message to ourselves, for ever. */
static bool
ends_loop(struct smtp_client *c)
{
	if (c->policy.is_own ||
	    !bytes_equal_nocase(name_of_server(c), c->policy.hostname))
		return false;
	smtp_client_part(c, SMTP_CLIENT_FAULT_LOOP, STATUS(5, 4, 6),
	    BYTES("the server has our own name: mail would loop back to us"));
	return true;
}

/* What was offered counts no more: RFC 3207 section 4.2 wants it so behind TLS. */
void
smtp_client_hello(struct smtp_client *c)
{
	c->state = SMTP_CLIENT_STATE_OPENING;
	c->offers = (struct smtp_client_offers){ .bits = 0 };
	buf_addf(&c->out, "EHLO %.*s\r\n", BYTES_ARG(c->policy.hostname));
	smtp_client_await(c, SMTP_AWAIT_EHLO);
}

void
smtp_client_refused(struct smtp_client *c)
{
	smtp_client_part_by_reply(c, c->reply.code < 500
	        ? SMTP_CLIENT_FAULT_TEMPORARY
	        : SMTP_CLIENT_FAULT_PERMANENT);
}

void
smtp_client_greeted(struct smtp_client *c)
{
	if (!ends_loop(c))
		smtp_client_hello(c);
}

/* RFC 5321 section 3.2: older servers do not know it; whatever else they say, HELO tells. */
void
smtp_client_ehlo_refused(struct smtp_client *c)
{
	c->offers = (struct smtp_client_offers){ .bits = 0 };
	buf_addf(&c->out, "HELO %.*s\r\n", BYTES_ARG(c->policy.hostname));
	smtp_client_await(c, SMTP_AWAIT_HELO);
}

/* --- TLS --- */

static bool
wants_tls(const struct smtp_client *c)
{
	return !c->is_secure && c->policy.tls != SMTP_CLIENT_TLS_NEVER;
}

void
smtp_client_ehlo_done(struct smtp_client *c)
{
	if (ends_loop(c))
		return;
	note_name(c);
	if (!wants_tls(c))
		smtp_client_auth_begin(c);
	else if (smtp_client_has_starttls(c))
		smtp_client_say(c, "STARTTLS", SMTP_AWAIT_STARTTLS);
	else if (c->policy.tls == SMTP_CLIENT_TLS_MUST)
		smtp_client_part(c, SMTP_CLIENT_FAULT_TLS, STATUS(4, 7, 4),
		    BYTES("TLS is required, and the server does not offer STARTTLS"));
	else
		smtp_client_auth_begin(c);
}

void
smtp_client_helo_done(struct smtp_client *c)
{
	smtp_client_ehlo_done(c); /* with nothing offered */
}

void
smtp_client_starttls_done(struct smtp_client *c)
{
	c->state = SMTP_CLIENT_STATE_HANDSHAKE;
}

void
smtp_client_starttls_refused(struct smtp_client *c)
{
	if (c->policy.tls == SMTP_CLIENT_TLS_MUST)
		smtp_client_part_by_reply(c, SMTP_CLIENT_FAULT_TLS);
	else
		smtp_client_auth_begin(c);
}
