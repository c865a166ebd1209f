/*
 * From the greeting to the first MAIL: EHLO or HELO, STARTTLS.
 */
#include <string.h>

#include "mail/address.h"
#include "proto/smtp_client_private.h"

/* "220 mx.example.net ESMTP": the word behind the code. */
static struct bytes
name_in_reply(const struct smtp_client *c)
{
	struct bytes text = bytes_from(buf_bytes(&c->reply.text), 4);

	return bytes_first(text, bytes_find(text, ' '));
}

/* True: it is, and that was the end. */
static bool
is_ourselves(struct smtp_client *c)
{
	if (c->policy.is_own ||
	    !bytes_equal_nocase(name_in_reply(c), c->policy.hostname))
		return false;
	smtp_client_part(c, SMTP_CLIENT_FAULT_LOOP, STATUS(5, 4, 6),
	    BYTES("that server calls itself by our own name: mail would loop"));
	return true;
}

static void
say_hello(struct smtp_client *c, const char *verb, enum smtp_client_await what)
{
	buf_add_string(&c->out, verb);
	buf_add_char(&c->out, ' ');
	buf_add_bytes(&c->out, c->policy.hostname);
	buf_add_string(&c->out, "\r\n");
	smtp_client_await(c, what);
}

void
smtp_client_greeted(struct smtp_client *c)
{
	if (!is_ourselves(c))
		say_hello(c, "EHLO", SMTP_AWAIT_EHLO);
}

/* Before a transaction: another host may be better. */
void
smtp_client_refused(struct smtp_client *c)
{
	smtp_client_part_by_reply(c,
	    c->reply.code >= 500 ? SMTP_CLIENT_FAULT_PERMANENT
	                         : SMTP_CLIENT_FAULT_TEMPORARY);
}

void
smtp_client_take_offer(struct smtp_client *c, struct bytes line)
{
	smtp_client_offers_add(&c->offers, line);
}

static void
note_name(struct smtp_client *c)
{
	struct bytes name = name_in_reply(c);

	if (!address_domain_is_valid(name) ||
	    !bytes_to_string(name, c->server_name, sizeof c->server_name))
		c->server_name[0] = '\0';
}

static void
want_tls(struct smtp_client *c)
{
	smtp_client_part(c, SMTP_CLIENT_FAULT_TLS, STATUS(4, 7, 5),
	    BYTES("TLS is required, and STARTTLS is not offered"));
}

/* Who we are is said; under TLS, or where there is none, it goes on. */
static void
go_on(struct smtp_client *c)
{
	bool must = c->policy.tls == SMTP_CLIENT_TLS_MUST;

	if (c->is_secure || c->policy.tls == SMTP_CLIENT_TLS_NEVER)
		smtp_client_auth_begin(c);
	else if (smtp_client_offers(c, SMTP_OFFER_STARTTLS))
		smtp_client_say(c, "STARTTLS", SMTP_AWAIT_STARTTLS);
	else if (must)
		want_tls(c);
	else
		smtp_client_auth_begin(c);
}

void
smtp_client_ehlo_done(struct smtp_client *c)
{
	if (is_ourselves(c))
		return;
	note_name(c);
	go_on(c);
}

/* RFC 5321 section 3.2: it may know only HELO. */
void
smtp_client_ehlo_refused(struct smtp_client *c)
{
	c->offers = (struct smtp_client_offers){ 0 };
	say_hello(c, "HELO", SMTP_AWAIT_HELO);
}

void
smtp_client_helo_done(struct smtp_client *c)
{
	smtp_client_ehlo_done(c);
}

/* --- STARTTLS --- */

/* What came together with the reply came before the handshake: from whoever sits in between. */
void
smtp_client_starttls_done(struct smtp_client *c)
{
	c->state = SMTP_CLIENT_STATE_HANDSHAKE;
	if (c->in.len > c->in_used)
		c->is_injected = true;
	buf_clear(&c->in);
	c->in_used = 0;
}

void
smtp_client_starttls_refused(struct smtp_client *c)
{
	if (c->policy.tls == SMTP_CLIENT_TLS_MUST)
		smtp_client_part_by_reply(c, SMTP_CLIENT_FAULT_TLS);
	else
		smtp_client_auth_begin(c);
}

void
smtp_client_secured(struct smtp_client *c, bool ok, struct bytes why)
{
	if (c->state != SMTP_CLIENT_STATE_HANDSHAKE)
		return;
	if (ok && !c->is_injected) {
		c->is_secure = true;
		c->offers = (struct smtp_client_offers){ 0 };
		c->state = SMTP_CLIENT_STATE_OPENING;
		say_hello(c, "EHLO", SMTP_AWAIT_EHLO);
		return;
	}
	smtp_client_end(c, SMTP_CLIENT_FAULT_TLS, STATUS(4, 7, 5),
	    ok ? BYTES("something came between the reply to STARTTLS and the "
	               "handshake")
	       : why);
}
