#include "mail/address.h"

#include <stdint.h>
#include <string.h>

#include "base/number.h"
#include "mail/address_grammar.h"

enum { LABEL_MAX = 63 }; /* RFC 1035 section 2.3.4 */

/*
 * The functions *_length say how many bytes at the front of text are what their
 * name says, as many as possible; 0 means that it does not stand there.
 */

static bool
is_beyond_ascii(char c)
{
	return (unsigned char)c >= 0x80;
}

bool
address_is_ascii(struct bytes text)
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
	if (n == 0 || (n > LABEL_MAX && address_is_ascii(bytes_first(text, n))))
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

size_t
address_name_length(struct bytes text)
{
	size_t n = dotted_length(text, label_length);

	return n > ADDRESS_DOMAIN_MAX ? 0 : n;
}

static size_t
domain_length(struct bytes text)
{
	if (text.n > 0 && text.p[0] == '[')
		return literal_length(text);
	return address_name_length(text);
}

bool
address_take_char(struct bytes *rest, char c)
{
	if (rest->n == 0 || rest->p[0] != c)
		return false;
	*rest = bytes_from(*rest, 1);
	return true;
}

bool
address_is_dot_string(struct bytes local)
{
	return local.n > 0 && dotted_length(local, atom_length) == local.n;
}

bool
address_local_is_valid(struct bytes local)
{
	return local.n > 0 && address_is_ascii(local) && local_length(local) == local.n;
}

static struct bytes
take(struct bytes *rest, size_t n)
{
	struct bytes taken = bytes_first(*rest, n);

	*rest = bytes_from(*rest, n);
	return taken;
}

/* Mailbox = Local-part "@" ( Domain / address-literal ) */
bool
address_take_mailbox(struct bytes *rest, struct address *out)
{
	struct address a = { .local = take(rest, local_length(*rest)) };

	if (a.local.n == 0 || !address_take_char(rest, '@'))
		return false;
	a.domain = take(rest, domain_length(*rest));
	if (a.domain.n == 0 || a.local.n + 1 + a.domain.n > ADDRESS_MAX)
		return false;
	a.is_quoted = a.local.p[0] == '"';
	a.is_literal = a.domain.p[0] == '[';
	*out = a;
	return true;
}

bool
address_parse(struct bytes text, struct address *out)
{
	struct address a;

	if (!address_is_ascii(text) || !address_take_mailbox(&text, &a) ||
	    text.n > 0)
		return false;
	*out = a;
	return true;
}

bool
address_domain_is_valid(struct bytes domain)
{
	return domain.n > 0 && address_is_ascii(domain) && domain_length(domain) == domain.n;
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
