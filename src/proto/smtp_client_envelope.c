/* What MAIL and RCPT say, with the parameters that the server knows. */
#include "proto/smtp_client_private.h"

#include "mail/verp.h"
#include "proto/dsn_parameter.h"

/*
 * RFC 1870 section 6.1: an estimate. How many line ends the message has, each one octet more
 * on the wire, is not known; one in 32 octets is more than text and base64 have. It
 * never exceeds what the server takes: of a message that may just fit the data shall decide.
 */
static uint64_t
wire_size(const struct smtp_client *c)
{
	uint64_t stored = c->transaction.out.size_bytes;
	uint64_t size = stored + stored / 32;
	uint64_t max = c->offers.size_max;

	return max > 0 && size > max ? max : size;
}

void
smtp_client_envelope_mail(struct smtp_client *c)
{
	const struct smtp_transaction_out *t = &c->transaction.out;

	buf_addf(&c->out, "MAIL FROM:<%.*s>", BYTES_ARG(verp_base(t->reverse_path)));
	if (smtp_client_offers(c, SMTP_OFFER_SIZE)) {
		buf_add_string(&c->out, " SIZE=");
		buf_add_number(&c->out, wire_size(c));
	}
	if (t->has_8bit)
		buf_add_string(&c->out, " BODY=8BITMIME");
	if (c->transaction.needs_utf8)
		buf_add_string(&c->out, " SMTPUTF8");
	if (t->all_or_none && smtp_client_offers(c, SMTP_OFFER_XQUEUE))
		buf_add_string(&c->out, verp_is(t->reverse_path) ? " XQUEUE XVERP"
		                                                 : " XQUEUE");
	if (smtp_client_offers(c, SMTP_OFFER_DSN)) {
		dsn_ret_add(&c->out, t->ret);
		dsn_envid_add(&c->out, t->envid);
	}
	smtp_client_say(c, "", SMTP_AWAIT_MAIL);
}

void
smtp_client_envelope_rcpt(struct smtp_client *c, size_t i)
{
	const struct envelope_recipient *r = &c->transaction.out.recipients[i];

	buf_addf(&c->out, "RCPT TO:<%.*s>", BYTES_ARG(r->address));
	if (smtp_client_offers(c, SMTP_OFFER_DSN)) {
		dsn_notify_add(&c->out, r->notify);
		dsn_orcpt_add(&c->out, r->orcpt);
	}
	smtp_client_say(c, "", SMTP_AWAIT_RCPT);
}
