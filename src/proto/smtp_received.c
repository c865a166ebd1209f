#include "proto/smtp_received.h"

#include <string.h>

#include "base/printable.h"
#include "mail/date.h"
#include "mail/id.h"

/* No line comes near the 998 octets of RFC 5322 section 2.1.1. */
enum { NAME_MAX_BYTES = 255, PATH_MAX_BYTES = 320 };

static void
add_name(struct buf *b, struct bytes name)
{
	static const char marks[] = "-_.:[]";

	name = bytes_first(name, NAME_MAX_BYTES);
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool is_safe = byte_is_alpha(c) || byte_is_digit(c) ||
		    (c != '\0' && strchr(marks, c) != NULL);

		buf_add_char(b, is_safe ? c : '?');
	}
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

void
smtp_received_add(
    struct buf *b, struct bytes hostname, const struct envelope *envelope)
{
	buf_add_string(b, "Received: from ");
	add_name(b, envelope->helo);
	add_peer(b, envelope);
	buf_add_string(b, "\n\tby ");
	add_name(b, hostname);
	buf_addf(b, " with %s id %s", envelope->esmtp ? "ESMTP" : "SMTP",
	    id_text(&envelope->id).p);
	if (envelope->n_recipients == 1) {
		buf_add_string(b, "\n\tfor <");
		printable_add(b, envelope->recipients[0].original, PATH_MAX_BYTES);
		buf_add_char(b, '>');
	}
	buf_add_string(b, "; ");
	date_add_rfc5322(b, envelope->arrival_ms);
	buf_add_char(b, '\n');
}
