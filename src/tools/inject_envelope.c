#include "tools/inject_envelope.h"

#include <errno.h>
#include <unistd.h>

#include "mail/address.h"
#include "mail/verp.h"

enum {
	PIECE = 8 * 1024,
	ARENA_MAX = 2 * QMAIL_QUEUE_ENVELOPE_MAX,
	/* the longest one, of quotes and backslashes alone, and a domain */
	WRITTEN_MAX = 2 * QMAIL_QUEUE_ADDRESS_MAX + ADDRESS_DOMAIN_MAX + 4,
};

void
inject_envelope_init(struct inject_envelope *e)
{
	*e = (struct inject_envelope){ .reverse_path = BYTES("") };
	qmail_envelope_init(&e->qmail);
	arena_init(&e->arena, ARENA_MAX);
}

void
inject_envelope_finish(struct inject_envelope *e)
{
	qmail_envelope_finish(&e->qmail);
	arena_finish(&e->arena);
}

enum qmail_queue_code
inject_envelope_read(struct inject_envelope *e, int fd)
{
	char piece[PIECE];

	for (;;) {
		ssize_t n = read(fd, piece, sizeof piece);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return QMAIL_QUEUE_READ_ERROR;
		errno = 0;
		if (n == 0 || !qmail_envelope_feed(&e->qmail,
		                  (struct bytes){ piece, (size_t)n }))
			return qmail_envelope_end(&e->qmail);
	}
}

static bool
ends_with(struct bytes text, struct bytes end)
{
	return text.n >= end.n &&
	    bytes_equal(bytes_from(text, text.n - end.n), end);
}

/* Of a double bounce. */
static bool
is_null(struct bytes reverse_path)
{
	return reverse_path.n == 0 || bytes_equal(reverse_path, BYTES("#@[]"));
}

/* --- addresses --- */

/* Up to the last '@'; all of it when there is none. */
static struct bytes
local_part(struct bytes address)
{
	for (size_t i = address.n; i > 0; i--)
		if (address.p[i - 1] == '@')
			return bytes_first(address, i - 1);
	return address;
}

static void
add_quoted(struct buf *b, struct bytes local)
{
	buf_add_char(b, '"');
	for (size_t i = 0; i < local.n; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, local.p[i]);
	}
	buf_add_char(b, '"');
}

static bool
is_mailbox(struct bytes written, bool *is_utf8)
{
	struct address a;

	if (!address_parse_utf8(written, &a))
		return false;
	*is_utf8 |= a.is_utf8;
	return true;
}

/* False: there is no way to write it. */
static bool
write_address(struct buf *b, struct bytes address, struct bytes domain,
    bool *is_utf8)
{
	struct bytes local = local_part(address);
	bool has_quotes = bytes_start(address, BYTES("\""));

	if (local.n == 0) /* '""' could be written, and is nobody */
		return false;
	if (local.n < address.n)
		domain = bytes_from(address, local.n + 1);
	for (int quoted = has_quotes ? 1 : 0; quoted < 2; quoted++) {
		buf_clear(b);
		if (quoted)
			add_quoted(b, local);
		else
			buf_add_bytes(b, local);
		buf_add_char(b, '@');
		buf_add_bytes(b, domain);
		if (b->failed || is_mailbox(buf_bytes(b), is_utf8))
			return !b->failed;
	}
	return false;
}

static enum qmail_queue_code
translate(struct inject_envelope *e, struct bytes address,
    struct bytes domain, struct bytes *written)
{
	enum qmail_queue_code code = QMAIL_QUEUE_REJECTED;
	struct buf            b;

	buf_init(&b, WRITTEN_MAX);
	if (write_address(&b, address, domain, &e->has_utf8)) {
		*written = arena_copy(&e->arena, buf_bytes(&b));
		code = written->p ? QMAIL_QUEUE_OK : QMAIL_QUEUE_NO_MEMORY;
	} else if (b.failed) {
		code = QMAIL_QUEUE_NO_MEMORY;
	}
	buf_finish(&b);
	return code;
}

/* "list-@host-@[]": the address in front is written as others are. */
static enum qmail_queue_code
translate_verp(struct inject_envelope *e, struct bytes path)
{
	const struct bytes    end = BYTES(VERP_END);
	struct bytes          base = bytes_first(path, path.n - end.n);
	enum qmail_queue_code code = QMAIL_QUEUE_REJECTED;
	struct buf            b;

	/* without a host nothing is put in front of it */
	if (local_part(base).n < base.n)
		code = translate(e, base, BYTES(""), &base);
	if (code != QMAIL_QUEUE_OK)
		return code;
	buf_init(&b, WRITTEN_MAX);
	buf_add_bytes(&b, base);
	buf_add_bytes(&b, end);
	e->reverse_path = arena_copy(&e->arena, buf_bytes(&b));
	if (b.failed || e->reverse_path.p == NULL)
		code = QMAIL_QUEUE_NO_MEMORY;
	buf_finish(&b);
	return code;
}

static enum qmail_queue_code
translate_reverse_path(
    struct inject_envelope *e, struct bytes domain, struct bytes *bad)
{
	*bad = qmail_envelope_reverse_path(&e->qmail);
	if (is_null(*bad))
		return QMAIL_QUEUE_OK;
	if (ends_with(*bad, BYTES(VERP_END)))
		return translate_verp(e, *bad);
	return translate(e, *bad, domain, &e->reverse_path);
}

enum qmail_queue_code
inject_envelope_translate(
    struct inject_envelope *e, struct bytes domain, struct bytes *bad)
{
	size_t                n = qmail_envelope_count(&e->qmail), at = 0;
	enum qmail_queue_code code = translate_reverse_path(e, domain, bad);

	e->recipients = arena_alloc(&e->arena, (n + 1) * sizeof *e->recipients);
	if (e->recipients == NULL)
		return QMAIL_QUEUE_NO_MEMORY;
	while (code == QMAIL_QUEUE_OK && qmail_envelope_next(&e->qmail, &at, bad))
		code = translate(e, *bad, domain,
		    &e->recipients[e->n_recipients++].address);
	return code;
}
