#include "smtpd/stdio_recipients.h"

#include <string.h>

#include "base/network.h"
#include "io/log.h"
#include "mail/address.h"
#include "proto/qmail_control.h"

enum { WHY_MAX = 512, TARGET_MAX = 1024 };

/* --- our own server --- */

static bool
open_server(struct stdio_recipients *r)
{
	char why[WHY_MAX];

	if (r->is_open)
		return true;
	r->is_open = local_session_open(&r->server, why, sizeof why);
	if (!r->is_open) {
		local_session_close(&r->server);
		log_text("%s", why);
	}
	return r->is_open;
}

void
stdio_recipients_rest(struct stdio_recipients *r)
{
	if (r->is_open)
		local_session_close(&r->server);
	r->is_open = false;
}

bool
stdio_recipients_hostname(struct stdio_recipients *r, struct buf *out)
{
	if (!open_server(r))
		return false;
	buf_add_bytes(out, smtp_client_server_name(r->server.smtp));
	stdio_recipients_rest(r);
	return out->len > 0;
}

static enum smtp_recipient_answer
ask_server(struct stdio_recipients *r, struct bytes address)
{
	static const enum smtp_recipient_answer answers[] = {
		[RECIPIENT_UNKNOWN] = SMTP_RECIPIENT_UNKNOWN,
		[RECIPIENT_NOT_OURS] = SMTP_RECIPIENT_NOT_OURS,
		[RECIPIENT_OK] = SMTP_RECIPIENT_OK,
		[RECIPIENT_TRY_LATER] = SMTP_RECIPIENT_TRY_LATER,
		[RECIPIENT_LIMIT] = SMTP_RECIPIENT_TRY_LATER,
	};

	if (!open_server(r))
		return SMTP_RECIPIENT_TRY_LATER;
	return answers[local_session_verify(&r->server, address)];
}

/* --- control/ --- */

static struct bytes
domain_of(struct bytes address)
{
	return bytes_from(address, bytes_find_last(address, '@') + 1);
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]". */
static bool
literal_parse(struct bytes domain, uint8_t address[16])
{
	if (domain.n < 2 || domain.p[0] != '[' || domain.p[domain.n - 1] != ']')
		return false;
	domain = (struct bytes){ domain.p + 1, domain.n - 2 };
	if (bytes_start_nocase(domain, BYTES("IPv6:")))
		domain = bytes_from(domain, 5);
	return network_parse_address(domain, address);
}

static bool
is_own_literal(const struct stdio_recipients *r, struct bytes domain)
{
	uint8_t named[16], own[16];

	return literal_parse(domain, named) && network_parse_address(r->own, own) &&
	    memcmp(named, own, sizeof own) == 0;
}

void
stdio_recipients_add_target(
    const struct stdio_recipients *r, struct bytes address, struct buf *out)
{
	struct bytes domain = domain_of(address);

	if (r->control && is_own_literal(r, domain)) {
		buf_add_bytes(out, bytes_first(address, address.n - domain.n));
		buf_add_bytes(out, r->control->localiphost);
	} else {
		buf_add_bytes(out, address);
	}
}

/* <Postmaster> has no domain, and is always ours. */
static enum smtp_recipient_answer
ask_control(const struct stdio_recipients *r, struct bytes address)
{
	const struct stdio_control *c = r->control;
	enum smtp_recipient_answer  answer = SMTP_RECIPIENT_NOT_OURS;
	struct bytes                domain;
	struct buf                  target;

	buf_init(&target, TARGET_MAX);
	stdio_recipients_add_target(r, address, &target);
	domain = domain_of(buf_bytes(&target));
	if (target.failed)
		answer = SMTP_RECIPIENT_TRY_LATER;
	else if (domain.n == 0 || (c->has_rcpthosts &&
	    qmail_control_has_domain(c->rcpthosts, &c->morercpthosts, domain)))
		answer = SMTP_RECIPIENT_OK;
	buf_finish(&target);
	return answer;
}

enum smtp_recipient_answer
stdio_recipients_ask(struct stdio_recipients *r, struct bytes reverse_path,
    struct bytes address)
{
	if (r->control == NULL)
		return ask_server(r, address);
	if (qmail_control_is_bad_sender(r->control->badmailfrom, reverse_path))
		return SMTP_RECIPIENT_BAD_SENDER;
	return ask_control(r, address);
}
