#include "proto/smtp_received.h"

#include <string.h>

#include "base/printable.h"
#include "mail/date.h"
#include "mail/id.h"

/* No line comes near the 998 octets of RFC 5322 section 2.1.1. */
enum { NAME_MAX_BYTES = 255, PATH_MAX_BYTES = 320 };

static void
add_safe(struct buf *b, struct bytes text, const char *marks)
{
	text = bytes_first(text, NAME_MAX_BYTES);
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool is_safe = byte_is_alpha(c) || byte_is_digit(c) ||
		    (c != '\0' && strchr(marks, c) != NULL);

		buf_add_char(b, is_safe ? c : '?');
	}
}

static void
add_name(struct buf *b, struct bytes name)
{
	add_safe(b, name, "-_.:[]");
}

static void
add_peer(struct buf *b, const struct envelope *envelope)
{
	struct bytes address = envelope->peer_address;

	buf_add_string(b, " (");
	if (envelope->peer_name.n > 0) {
		add_name(b, envelope->peer_name);
		buf_add_char(b, ' ');
	}
	buf_add_char(b, '[');
	if (bytes_find(address, ':') < address.n)
		buf_add_string(b, "IPv6:");
	add_name(b, address);
	buf_add_string(b, "])");
}

/*
 * Some domain must stand there (RFC 5321 section 4.4). One below "invalid" is nobody's
 * (RFC 6761 section 6.4); "localhost" would be a lie, and filters look for that one.
 */
static void
add_client(struct buf *b, const struct envelope *envelope,
    struct smtp_received_from from)
{
	if (from.is_hidden) {
		buf_add_string(b, "authenticated.invalid");
	} else if (from.is_account) {
		add_name(b, envelope->user);
		buf_addf(b, " (uid %lu)", (unsigned long)from.uid);
	} else {
		add_name(b, envelope->helo);
		add_peer(b, envelope);
	}
}

/*
 * RFC 3848, and RFC 6531 section 4.3. Whoever said HELO speaks SMTP, whatever is below; an
 * account of this host is known without AUTH.
 */
static const char *
protocol(const struct envelope *envelope, struct smtp_received_from from)
{
	static const char *const names[2][2][2] = {
		{ { "ESMTP", "ESMTPA" }, { "ESMTPS", "ESMTPSA" } },
		{ { "UTF8SMTP", "UTF8SMTPA" }, { "UTF8SMTPS", "UTF8SMTPSA" } },
	};

	if (!envelope->esmtp)
		return "SMTP";
	return names[envelope->smtputf8][envelope->tls.n > 0]
	            [envelope->user.n > 0 && !from.is_account];
}

/* As it was written; our parser took it, so it holds nothing odd. */
static void
add_recipient(struct buf *b, const struct envelope *envelope)
{
	struct bytes path =
	    bytes_first(envelope->recipients[0].original, PATH_MAX_BYTES);

	buf_add_string(b, "\n\tfor <");
	if (envelope->smtputf8)
		buf_add_bytes(b, path);
	else
		printable_add(b, path, PATH_MAX_BYTES);
	buf_add_char(b, '>');
}

/* "with" and "id", a comment on TLS between them. */
static void
add_transport(struct buf *b, const struct envelope *envelope,
    struct smtp_received_from from)
{
	buf_addf(b, " with %s", protocol(envelope, from));
	if (envelope->tls.n > 0) {
		buf_add_string(b, " (");
		add_safe(b, envelope->tls, "-_. ");
		buf_add_string(b, ")\n\t");
	} else {
		buf_add_char(b, ' ');
	}
	buf_addf(b, "id %s", id_text(&envelope->id).p);
}

void
smtp_received_add(struct buf *b, struct bytes hostname,
    const struct envelope *envelope, struct smtp_received_from from)
{
	buf_add_string(b, "Received: from ");
	add_client(b, envelope, from);
	buf_add_string(b, "\n\tby ");
	add_name(b, hostname);
	add_transport(b, envelope, from);
	if (envelope->n_recipients == 1)
		add_recipient(b, envelope);
	buf_add_string(b, "; ");
	date_add_rfc5322(b, envelope->arrival_ms);
	buf_add_char(b, '\n');
}
