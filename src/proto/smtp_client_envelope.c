/*
 * MAIL and RCPT with their parameters, as far as the server knows them.
 */
#include "proto/dsn_parameter.h"
#include "proto/smtp_client_private.h"

void
smtp_client_envelope_mail(struct smtp_client *c)
{
	const struct smtp_client_transaction *t = &c->transaction;
	struct buf                           *b = &c->out;

	buf_add_string(b, "MAIL FROM:<");
	buf_add_bytes(b, t->out.reverse_path);
	buf_add_char(b, '>');
	/*
	 * RFC 1870 wants an estimate. This one is never too large, so that nobody refuses for it
	 * what he would have taken.
	 */
	if (smtp_client_offers(c, SMTP_OFFER_SIZE))
		buf_addf(b, " SIZE=%llu", (unsigned long long)t->out.size_bytes);
	if (t->out.has_8bit && smtp_client_offers(c, SMTP_OFFER_8BITMIME))
		buf_add_string(b, " BODY=8BITMIME");
	if (t->needs_utf8)
		buf_add_string(b, " SMTPUTF8");
	if (smtp_client_offers(c, SMTP_OFFER_DSN)) {
		dsn_ret_add(b, t->out.ret);
		dsn_envid_add(b, t->out.envid);
	}
	buf_add_string(b, "\r\n");
	smtp_client_await(c, SMTP_AWAIT_MAIL);
}

void
smtp_client_envelope_rcpt(struct smtp_client *c, size_t i)
{
	const struct envelope_recipient *r = &c->transaction.out.recipients[i];
	struct buf                      *b = &c->out;

	buf_add_string(b, "RCPT TO:<");
	buf_add_bytes(b, r->address);
	buf_add_char(b, '>');
	if (smtp_client_offers(c, SMTP_OFFER_DSN)) {
		dsn_notify_add(b, r->notify);
		dsn_orcpt_add(b, r->orcpt);
	}
	buf_add_string(b, "\r\n");
	smtp_client_await(c, SMTP_AWAIT_RCPT);
}
