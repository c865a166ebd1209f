/*
 * Whatever other servers, senders and originals say: the header section of a notification
 * has the fields that we made and no more, exactly four lines begin with the boundary,
 * the groups of fields for machines are one and one for each recipient, and there is no
 * NUL, no CR and no line that is too long.
 *
 * The input: a byte of flags, then pieces, each with its length (16 bits) in front.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mail/header.h"
#include "proto/dsn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
claim(bool holds)
{
	if (!holds)
		abort();
}

static struct bytes
next_piece(struct bytes *rest)
{
	struct bytes piece;
	size_t       n;

	if (rest->n < 2)
		return BYTES("");
	n = (size_t)(unsigned char)rest->p[0] << 8 | (unsigned char)rest->p[1];
	piece = bytes_first(bytes_from(*rest, 2), n);
	*rest = bytes_from(*rest, 2 + piece.n);
	return piece;
}

static void
claim_lines(struct bytes text)
{
	struct bytes line;

	while (bytes_split(&text, '\n', &line)) {
		claim(line.n <= 998);
		claim(bytes_find(line, '\0') == line.n);
		claim(bytes_find(line, '\r') == line.n);
	}
}

/* The name of a field, as a letter; an unknown one is none of ours. */
static char
letter_of(struct bytes name)
{
	static const char *const names[] = { "From", "To", "Subject", "Date",
		"Message-ID", "In-Reply-To", "References", "Auto-Submitted",
		"MIME-Version", "Content-Type" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (bytes_equal(name, bytes_of(names[i])))
			return (char)('a' + i);
	return '?';
}

/* The rest, behind the empty line. */
static struct bytes
claim_header(struct bytes text, struct bytes *boundary)
{
	char                seen[16] = "";
	size_t              n = 0;
	struct header_field f = { .name = BYTES("") };

	while (header_next(&text, &f)) {
		claim(n < sizeof seen - 1);
		seen[n++] = letter_of(f.name);
	}
	claim(strcmp(seen, "abcdefghij") == 0 || strcmp(seen, "abcdehij") == 0);
	*boundary = bytes_from(f.value, bytes_find(f.value, '"') + 1);
	boundary->n = bytes_find(*boundary, '"');
	claim(boundary->n >= ID_TEXT);
	claim(text.n > 0 && text.p[0] == '\n');
	return bytes_from(text, 1);
}

static bool
begins_with(struct bytes line, struct bytes boundary)
{
	return bytes_start(line, BYTES("--")) &&
	    bytes_start(bytes_from(line, 2), boundary);
}

/* Between the second and the third boundary, behind the part's own header. */
static void
claim_machine(struct bytes line, unsigned part, bool *is_inside, size_t *groups)
{
	struct header_field f;
	struct bytes        rest = line;

	if (part != 2)
		return;
	if (line.n == 0) {
		*is_inside = true;
		++*groups;
		return;
	}
	if (*is_inside && line.p[0] != '\t')
		claim(header_next(&rest, &f));
}

static void
claim_parts(struct bytes text, struct bytes boundary, size_t n_recipients)
{
	unsigned     part = 0;
	size_t       groups = 0;
	bool         is_inside = false;
	struct bytes line;

	while (bytes_split(&text, '\n', &line)) {
		if (begins_with(line, boundary)) {
			claim(line.n == boundary.n + (++part == 4 ? 4 : 2));
			continue;
		}
		claim_machine(line, part, &is_inside, &groups);
	}
	claim(part == 4);
	/* the message's; each recipient's; and the line in front of the boundary */
	claim(groups == 1 + n_recipients + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes         rest = { (const char *)data, size }, boundary;
	const uint8_t        flags = size > 0 ? data[0] : 0;
	struct dsn_recipient recipients[2];
	struct dsn           d = { .now_ms = 1700000000000,
		          .arrival_ms = 1700000000000,
		          .hostname = BYTES("mx.example"),
		          .is_double = flags & 1,
		          .smtputf8 = flags & 2,
		          .ret = (enum envelope_ret)((flags >> 2) % 3),
		          .recipients = recipients,
		          .n_recipients = 1 + (flags >> 7) };
	struct buf           out;

	rest = bytes_from(rest, 1);
	d.to = next_piece(&rest);
	d.envid = next_piece(&rest);
	d.reverse_path = next_piece(&rest);
	for (size_t i = 0; i < 2; i++) {
		recipients[i] = (struct dsn_recipient){
			.action = (enum dsn_action)((flags >> 4) % 5),
			.address = next_piece(&rest),
			.orcpt = next_piece(&rest),
			.outcome = { .status = STATUS(5, 0, flags),
			    .is_reply = flags & 8,
			    .text = next_piece(&rest),
			    .host = next_piece(&rest) },
			.will_retry_until_ms = 1700000000000,
		};
	}
	d.original = rest;
	d.original_size = rest.n + (flags & 16 ? 100000 : 0);
	buf_init(&out, DSN_SIZE_MAX);
	dsn_add(&out, &d);
	claim(!out.failed);
	claim_lines(buf_bytes(&out));
	rest = claim_header(buf_bytes(&out), &boundary);
	claim_parts(rest, boundary, d.n_recipients);
	dsn_is_unattended(d.original);
	buf_finish(&out);
	return 0;
}
