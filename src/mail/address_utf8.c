/*
 * Addresses that may hold UTF-8 (RFC 6531 section 3.3), and the canonical form of all. Apart
 * from address.c, for small programs that know addresses of ASCII alone.
 */
#include <idn2.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/address_grammar.h"

static void
add_lower(struct buf *b, struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		buf_add_char(b, byte_lower(text.p[i]));
}

/*
 * U-labels become A-labels (RFC 5891, by the mapping of UTS 46), so that one domain has one
 * name. False: it has none.
 */
static bool
add_domain(struct buf *b, struct bytes domain)
{
	uint8_t  text[ADDRESS_DOMAIN_MAX + 1] = { 0 };
	uint8_t *ascii = NULL;
	bool     is_name = false;

	if (address_is_ascii(domain)) {
		add_lower(b, domain);
		return true;
	}
	if (domain.n >= sizeof text)
		return false;
	memcpy(text, domain.p, domain.n);
	if (idn2_lookup_u8(text, &ascii, IDN2_NONTRANSITIONAL) == IDN2_OK) {
		struct bytes name = bytes_of((const char *)ascii);

		/* what a character is mapped to may be anything */
		is_name = name.n > 0 && address_is_ascii(name) && address_name_length(name) == name.n;
		if (is_name)
			add_lower(b, name);
	}
	idn2_free(ascii);
	return is_name;
}

/* Whether it is short enough with the domain in its canonical form too. */
static bool
fits(const struct address *a)
{
	struct buf b;
	bool       fits;

	if (address_is_ascii(a->domain))
		return true;
	buf_init(&b, ADDRESS_DOMAIN_MAX);
	fits = add_domain(&b, a->domain) && !b.failed &&
	    a->local.n + 1 + b.len <= ADDRESS_MAX;
	buf_finish(&b);
	return fits;
}

/* Whether what was parsed, of that text, is an address; it is marked when it holds UTF-8. */
static bool
settle(struct address *a, struct bytes text)
{
	a->is_utf8 = !address_is_ascii(text);
	return !a->is_utf8 || (utf8_is_plain(text) && fits(a));
}

bool
address_parse_utf8(struct bytes text, struct address *out)
{
	struct bytes   rest = text;
	struct address a;

	if (!address_take_mailbox(&rest, &a) || rest.n > 0 || !settle(&a, text))
		return false;
	*out = a;
	return true;
}

static bool
take_name(struct bytes *rest)
{
	size_t n = address_name_length(*rest);

	*rest = bytes_from(*rest, n);
	return n > 0;
}

/* [ "@" Domain *( "," "@" Domain ) ":" ] */
static bool
take_source_route(struct bytes *rest)
{
	if (rest->n == 0 || rest->p[0] != '@')
		return true;
	do {
		if (!address_take_char(rest, '@') || !take_name(rest))
			return false;
	} while (address_take_char(rest, ','));
	return address_take_char(rest, ':');
}

/* What stands behind '<'; *rest is left at '>', or anywhere when it is invalid. */
static enum path_result
take_path(struct bytes *rest, struct address *out)
{
	const struct bytes postmaster = BYTES("postmaster>");

	if (bytes_start(*rest, BYTES(">")))
		return PATH_NULL;
	if (bytes_start_nocase(*rest, postmaster)) {
		out->local = bytes_first(*rest, postmaster.n - 1);
		*rest = bytes_from(*rest, out->local.n);
		return PATH_POSTMASTER;
	}
	if (!take_source_route(rest) || !address_take_mailbox(rest, out))
		return PATH_INVALID;
	return PATH_OK;
}

enum path_result
address_parse_path(struct bytes text, struct address *out, struct bytes *rest)
{
	struct address   a = { .is_quoted = false };
	struct bytes     inside = bytes_from(text, 1), behind = inside;
	enum path_result result;

	if (text.n == 0 || text.p[0] != '<')
		return PATH_INVALID;
	result = take_path(&behind, &a);
	/* section 4.5.3.1.3: the limit counts the source route */
	if (inside.n - behind.n > ADDRESS_MAX || !address_take_char(&behind, '>'))
		return PATH_INVALID;
	if (result == PATH_INVALID)
		return PATH_INVALID;
	inside.n -= behind.n; /* with '>' */
	if (!settle(&a, inside))
		return PATH_INVALID;
	*out = a;
	*rest = behind;
	return result;
}

/* Quotes off, and the backslashes that quote; plain has room for local.n. */
static struct bytes
unquote(struct bytes local, char *plain)
{
	size_t n = 0;

	for (size_t i = 1; i + 1 < local.n; i++) {
		if (local.p[i] == '\\')
			i++;
		plain[n++] = local.p[i];
	}
	return (struct bytes){ plain, n };
}

static void
add_quoted(struct buf *b, struct bytes plain)
{
	buf_add_char(b, '"');
	for (size_t i = 0; i < plain.n; i++) {
		if (plain.p[i] == '"' || plain.p[i] == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, byte_lower(plain.p[i]));
	}
	buf_add_char(b, '"');
}

void
address_add_canonical_local(struct buf *b, const struct address *a)
{
	char         room[ADDRESS_LOCAL_MAX];
	struct bytes plain;

	if (!a->is_quoted) {
		add_lower(b, a->local);
		return;
	}
	if (a->local.n > sizeof room) { /* not from our parser */
		b->failed = true;
		return;
	}
	plain = unquote(a->local, room);
	if (address_is_dot_string(plain))
		add_lower(b, plain);
	else
		add_quoted(b, plain);
}

void
address_add_plain_local(struct buf *b, const struct address *a)
{
	char room[ADDRESS_LOCAL_MAX];

	if (!a->is_quoted)
		buf_add_bytes(b, a->local);
	else if (a->local.n > sizeof room) /* not from our parser */
		b->failed = true;
	else
		buf_add_bytes(b, unquote(a->local, room));
}

void
address_add_canonical_domain(struct buf *b, const struct address *a)
{
	struct bytes domain = a->domain;

	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (!add_domain(b, domain)) /* not from our parser, or no memory */
		b->failed = true;
}

void
address_add_canonical(struct buf *b, const struct address *a)
{
	address_add_canonical_local(b, a);
	if (a->domain.n == 0)
		return;
	buf_add_char(b, '@');
	address_add_canonical_domain(b, a);
}

/* "local@domain" of an address whose local part is not quoted yet. */
static bool
add_plain(struct buf *b, struct bytes plain)
{
	size_t         at = bytes_find_last(plain, '@');
	struct bytes   local = bytes_first(plain, at);
	struct address whole;
	struct buf     text;
	bool           is_address;

	buf_init(&text, ADDRESS_MAX);
	if (address_is_dot_string(local))
		buf_add_bytes(&text, local);
	else
		add_quoted(&text, local);
	buf_add_bytes(&text, bytes_from(plain, at));
	is_address = !text.failed && address_parse_utf8(buf_bytes(&text), &whole);
	if (is_address)
		address_add_canonical(b, &whole);
	buf_finish(&text);
	return is_address;
}

bool
address_add_suffixed(struct buf *b, const struct address *a, struct bytes suffix)
{
	struct buf plain;
	bool       is_address;

	if (suffix.n == 0 || a->domain.n == 0) {
		address_add_canonical(b, a);
		return true;
	}
	buf_init(&plain, ADDRESS_MAX * 2);
	address_add_plain_local(&plain, a);
	buf_add_char(&plain, '@');
	address_add_canonical_domain(&plain, a);
	buf_add_bytes(&plain, suffix);
	is_address = !plain.failed && add_plain(b, buf_bytes(&plain));
	buf_finish(&plain);
	return is_address;
}
