#include "mail/address.h"

#include <idn2.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/number.h"
#include "base/utf8.h"

enum { LABEL_MAX = 63 }; /* RFC 1035 section 2.3.4 */

/*
 * The functions *_length say how many bytes at the front of text are what their
 * name says, as many as possible; 0 means that it does not stand there.
 */

/*
 * RFC 6531 section 3.3 lets a part of a character of UTF-8 stand almost everywhere. These
 * functions take any; the public ones refuse it, or check that the whole is UTF-8.
 */
static bool
is_beyond_ascii(char c)
{
	return (unsigned char)c >= 0x80;
}

static bool
is_ascii(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if (is_beyond_ascii(text.p[i]))
			return false;
	return true;
}

/* RFC 5322 section 3.2.3. */
static bool
is_atext(char c)
{
	return byte_is_alpha(c) || byte_is_digit(c) || is_beyond_ascii(c) ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_let_dig_or_hyphen(char c)
{
	return byte_is_alpha(c) || byte_is_digit(c) || c == '-';
}

static size_t
atom_length(struct bytes text)
{
	size_t n = 0;

	while (n < text.n && is_atext(text.p[n]))
		n++;
	return n;
}

/* sub-domain = Let-dig [Ldh-str], or a U-label, whose length is that of its A-label */
static size_t
label_length(struct bytes text)
{
	size_t n = 0;

	while (n < text.n &&
	    (is_let_dig_or_hyphen(text.p[n]) || is_beyond_ascii(text.p[n])))
		n++;
	if (n == 0 || (n > LABEL_MAX && is_ascii(bytes_first(text, n))))
		return 0;
	return text.p[0] == '-' || text.p[n - 1] == '-' ? 0 : n;
}

/* part *("." part): a dot behind the last part belongs to nothing. */
static size_t
dotted_length(struct bytes text, size_t (*part_length)(struct bytes))
{
	size_t n = 0, part;

	while ((part = part_length(bytes_from(text, n))) > 0) {
		n += part;
		if (n == text.n || text.p[n] != '.')
			return n;
		n++;
	}
	return 0;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE, the opening quote is known. */
static size_t
quoted_length(struct bytes text)
{
	for (size_t n = 1; n < text.n; n++) {
		if (text.p[n] == '"')
			return n + 1;
		if (text.p[n] == '\\')
			n++;
		if (n == text.n ||
		    (!byte_is_print(text.p[n]) && !is_beyond_ascii(text.p[n])))
			return 0;
	}
	return 0;
}

static size_t
local_length(struct bytes text)
{
	size_t n = text.n > 0 && text.p[0] == '"'
	    ? quoted_length(text)
	    : dotted_length(text, atom_length);

	return n > ADDRESS_LOCAL_MAX ? 0 : n;
}

/* Snum 3("." Snum); Snum is one to three digits, zeros in front allowed. */
static bool
is_ipv4(struct bytes text)
{
	for (int dots = 3; dots >= 0; dots--) {
		size_t       dot = bytes_find(text, '.');
		struct bytes part = bytes_first(text, dot);
		uint64_t     number;

		if ((dot < text.n) != (dots > 0))
			return false;
		if (part.n > 3 || !number_parse(part, 255, &number))
			return false;
		text = bytes_from(text, dot + 1);
	}
	return true;
}

/* IPv6-hex = 1*4HEXDIG */
static bool
is_hex_group(struct bytes text)
{
	if (text.n == 0 || text.n > 4)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = byte_lower(text.p[i]);

		if (!byte_is_digit(c) && !(c >= 'a' && c <= 'f'))
			return false;
	}
	return true;
}

/*
 * The 16-bit groups in text, none when it is empty, -1 when it is malformed. An
 * IPv4 address at the end counts as two.
 */
static int
count_groups(struct bytes text, bool may_end_in_ipv4)
{
	int groups = 0;

	while (text.n > 0) {
		size_t       colon = bytes_find(text, ':');
		struct bytes group = bytes_first(text, colon);
		bool         is_last = colon == text.n;

		if (is_last && may_end_in_ipv4 && is_ipv4(group))
			return groups + 2;
		if (!is_hex_group(group) || colon + 1 == text.n)
			return -1;
		groups++;
		text = bytes_from(text, colon + 1);
	}
	return groups;
}

/*
 * Section 4.1.3 wants "::" to stand for two groups at least, RFC 4291 section 2.2
 * lets it stand for one. Such addresses are about: we take them.
 */
static bool
is_ipv6(struct bytes text)
{
	size_t gap = 0;
	int    before, after;

	while (gap + 1 < text.n &&
	    (text.p[gap] != ':' || text.p[gap + 1] != ':'))
		gap++;
	if (gap + 1 >= text.n)
		return count_groups(text, true) == 8;
	before = count_groups(bytes_first(text, gap), false);
	after = count_groups(bytes_from(text, gap + 2), true);
	return before >= 0 && after >= 0 && before + after < 8;
}

static bool
is_dcontent(struct bytes text)
{
	if (text.n == 0)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (!byte_is_print(c) || c == ' ' || (c >= '[' && c <= ']'))
			return false;
	}
	return true;
}

/*
 * IPv6-address-literal and General-address-literal. Tags are to be registered
 * (section 4.1.3), and none is but IPv6; a tag that looks like a group of an IPv6
 * address is one whose tag was forgotten.
 */
static bool
is_tagged(struct bytes text)
{
	size_t       colon = bytes_find(text, ':');
	struct bytes tag = bytes_first(text, colon);
	struct bytes content = bytes_from(text, colon + 1);

	if (bytes_equal_nocase(tag, BYTES("IPv6")))
		return is_ipv6(content);
	if (tag.n == 0 || tag.p[tag.n - 1] == '-' || is_hex_group(tag))
		return false;
	for (size_t i = 0; i < tag.n; i++)
		if (!is_let_dig_or_hyphen(tag.p[i]))
			return false;
	return is_dcontent(content);
}

/* The opening bracket is known. No literal holds another bracket. */
static size_t
literal_length(struct bytes text)
{
	size_t       close = bytes_find(text, ']');
	struct bytes inside = bytes_from(bytes_first(text, close), 1);

	if (close == text.n || close >= ADDRESS_DOMAIN_MAX)
		return 0;
	return is_ipv4(inside) || is_tagged(inside) ? close + 1 : 0;
}

static size_t
name_length(struct bytes text)
{
	size_t n = dotted_length(text, label_length);

	return n > ADDRESS_DOMAIN_MAX ? 0 : n;
}

static size_t
domain_length(struct bytes text)
{
	if (text.n > 0 && text.p[0] == '[')
		return literal_length(text);
	return name_length(text);
}

static bool
take_char(struct bytes *rest, char c)
{
	if (rest->n == 0 || rest->p[0] != c)
		return false;
	*rest = bytes_from(*rest, 1);
	return true;
}

bool
address_local_is_valid(struct bytes local)
{
	return local.n > 0 && is_ascii(local) && local_length(local) == local.n;
}

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

	if (is_ascii(domain)) {
		add_lower(b, domain);
		return true;
	}
	if (domain.n >= sizeof text)
		return false;
	memcpy(text, domain.p, domain.n);
	if (idn2_lookup_u8(text, &ascii, IDN2_NONTRANSITIONAL) == IDN2_OK) {
		struct bytes name = bytes_of((const char *)ascii);

		/* what a character is mapped to may be anything */
		is_name = name.n > 0 && is_ascii(name) && name_length(name) == name.n;
		if (is_name)
			add_lower(b, name);
	}
	idn2_free(ascii);
	return is_name;
}

static struct bytes
take(struct bytes *rest, size_t n)
{
	struct bytes taken = bytes_first(*rest, n);

	*rest = bytes_from(*rest, n);
	return taken;
}

/* Whether the whole is short enough, with the domain as it is and in its canonical form. */
static bool
fits(const struct address *a)
{
	struct buf b;
	bool       fits;

	if (a->local.n + 1 + a->domain.n > ADDRESS_MAX)
		return false;
	if (is_ascii(a->domain))
		return true;
	buf_init(&b, ADDRESS_DOMAIN_MAX);
	fits = add_domain(&b, a->domain) && !b.failed &&
	    a->local.n + 1 + b.len <= ADDRESS_MAX;
	buf_finish(&b);
	return fits;
}

/* Mailbox = Local-part "@" ( Domain / address-literal ) */
static bool
take_mailbox(struct bytes *rest, struct address *out)
{
	struct address a = { .local = take(rest, local_length(*rest)) };

	if (a.local.n == 0 || !take_char(rest, '@'))
		return false;
	a.domain = take(rest, domain_length(*rest));
	if (a.domain.n == 0 || !fits(&a))
		return false;
	a.is_quoted = a.local.p[0] == '"';
	a.is_literal = a.domain.p[0] == '[';
	*out = a;
	return true;
}

bool
address_parse(struct bytes text, struct address *out)
{
	return is_ascii(text) && address_parse_utf8(text, out);
}

bool
address_parse_utf8(struct bytes text, struct address *out)
{
	struct address a;
	bool           is_utf8 = !is_ascii(text);

	if (is_utf8 && !utf8_is_plain(text))
		return false;
	if (!take_mailbox(&text, &a) || text.n > 0)
		return false;
	a.is_utf8 = is_utf8;
	*out = a;
	return true;
}

/* [ "@" Domain *( "," "@" Domain ) ":" ] */
static bool
take_source_route(struct bytes *rest)
{
	if (rest->n == 0 || rest->p[0] != '@')
		return true;
	do {
		if (!take_char(rest, '@') ||
		    take(rest, name_length(*rest)).n == 0)
			return false;
	} while (take_char(rest, ','));
	return take_char(rest, ':');
}

/* What stands behind '<'; *rest is left at '>', or anywhere when it is invalid. */
static enum path_result
take_path(struct bytes *rest, struct address *out)
{
	const struct bytes postmaster = BYTES("postmaster>");

	if (bytes_start(*rest, BYTES(">")))
		return PATH_NULL;
	if (bytes_start_nocase(*rest, postmaster)) {
		out->local = take(rest, postmaster.n - 1);
		return PATH_POSTMASTER;
	}
	if (!take_source_route(rest) || !take_mailbox(rest, out))
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
	if (inside.n - behind.n > ADDRESS_MAX || !take_char(&behind, '>'))
		return PATH_INVALID;
	if (result == PATH_INVALID)
		return PATH_INVALID;
	inside.n -= behind.n; /* with '>' */
	a.is_utf8 = !is_ascii(inside);
	if (a.is_utf8 && !utf8_is_plain(inside))
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
	if (plain.n > 0 && dotted_length(plain, atom_length) == plain.n)
		add_lower(b, plain);
	else
		add_quoted(b, plain);
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

bool
address_domain_is_valid(struct bytes domain)
{
	return domain.n > 0 && is_ascii(domain) && domain_length(domain) == domain.n;
}

/* A backslash never hides the byte behind it, so quoting need not be undone. */
bool
address_is_relay_probe(const struct address *a)
{
	for (size_t i = 0; i < a->local.n; i++)
		if (a->local.p[i] == '!' || a->local.p[i] == '%' ||
		    a->local.p[i] == '@')
			return true;
	return false;
}
