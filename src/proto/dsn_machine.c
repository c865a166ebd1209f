/*
 * message/delivery-status, RFC 3464 section 2; with addresses above ASCII it is
 * message/global-delivery-status, RFC 6533 section 4.
 */
#include <string.h>

#include "mail/date.h"
#include "mail/status.h"
#include "proto/dsn_private.h"

static const char *const actions[] = {
	[DSN_FAILED] = "failed",
	[DSN_DELAYED] = "delayed",
	[DSN_DELIVERED] = "delivered",
	[DSN_RELAYED] = "relayed",
	[DSN_EXPANDED] = "expanded",
};

static void
add_date(struct buf *b, const char *name, uint64_t ms)
{
	if (ms == 0)
		return;
	buf_addf(b, "%s: ", name);
	date_add_rfc5322(b, ms);
	buf_add_char(b, '\n');
}

/* "Name: type; text", when there is a text. */
static void
add_typed(struct buf *b, const char *name, const char *type, struct bytes text,
    bool utf8)
{
	struct buf clean;

	buf_init(&clean, DSN_TEXT_MAX);
	dsn_add_clean(&clean, text, DSN_TEXT_MAX, utf8);
	if (bytes_trim(buf_bytes(&clean)).n > 0) {
		buf_addf(b, "%s: %s; ", name, type);
		dsn_add_folded(b, buf_bytes(&clean), "\t",
		    strlen(name) + strlen(type) + 4);
	}
	buf_finish(&clean);
}

static bool
is_type_byte(char c)
{
	return byte_is_alpha(c) || byte_is_digit(c) || c == '-';
}

/* As the sender gave it (RFC 3461 section 4.2), unless no type stands in front. */
static void
add_original_recipient(
    struct buf *b, const struct dsn *d, struct bytes orcpt)
{
	size_t colon = bytes_find(orcpt, ';');
	char   type[32];

	for (size_t i = 0; i < colon; i++)
		if (!is_type_byte(orcpt.p[i]))
			return;
	if (colon == 0 || colon == orcpt.n ||
	    !bytes_to_string(bytes_first(orcpt, colon), type, sizeof type))
		return;
	add_typed(b, "Original-Recipient", type, bytes_from(orcpt, colon + 1),
	    d->smtputf8);
}

static void
add_final_recipient(
    struct buf *b, const struct dsn *d, struct bytes address)
{
	bool is_global = d->smtputf8 && !dsn_is_ascii(address);

	buf_addf(b, "Final-Recipient: %s; ", is_global ? "utf-8" : "rfc822");
	dsn_add_address(b, d, address);
	buf_add_char(b, '\n');
}

/* It must stand there (section 2.3.4), whatever we know. */
static struct status
status_of(const struct dsn_recipient *r)
{
	if (r->outcome.status.class != 0)
		return r->outcome.status;
	if (r->action == DSN_FAILED)
		return STATUS(5, 0, 0);
	return r->action == DSN_DELAYED ? STATUS(4, 0, 0) : STATUS(2, 0, 0);
}

static void
add_recipient(struct buf *b, const struct dsn *d, const struct dsn_recipient *r)
{
	const struct bytes host = r->outcome.host;

	buf_add_char(b, '\n');
	add_original_recipient(b, d, r->orcpt);
	add_final_recipient(b, d, r->address);
	buf_addf(b, "Action: %s\nStatus: ", actions[r->action]);
	status_add(b, status_of(r));
	buf_add_char(b, '\n');
	add_typed(b, "Remote-MTA", "dns", bytes_first(host, bytes_find(host, ' ')),
	    false);
	if (r->outcome.is_reply)
		add_typed(b, "Diagnostic-Code", "smtp", r->outcome.text, false);
	add_date(b, "Last-Attempt-Date", r->last_attempt_ms);
	if (r->action == DSN_DELAYED)
		add_date(b, "Will-Retry-Until", r->will_retry_until_ms);
}

void
dsn_add_machine(struct buf *b, const struct dsn *d)
{
	const size_t n = dsn_count(d);

	if (d->envid.n > 0) {
		buf_add_string(b, "Original-Envelope-Id: ");
		dsn_add_clean(b, d->envid, DSN_HOST_MAX, false);
		buf_add_char(b, '\n');
	}
	buf_add_string(b, "Reporting-MTA: dns; ");
	dsn_add_clean(b, d->hostname, DSN_HOST_MAX, false);
	buf_add_char(b, '\n');
	add_date(b, "Arrival-Date", d->arrival_ms);
	for (size_t i = 0; i < n; i++)
		add_recipient(b, d, &d->recipients[i]);
}
