#include "proto/dns_record.h"

#include <arpa/inet.h>
#include <string.h>

enum {
	LABEL_MAX = 63, /* RFC 1035 section 2.3.4 */
	IPV4_BYTES = 4,
	IPV6_BYTES = 16,
	TLSA_HEAD = 3,
};

static const struct {
	enum dns_type type;
	const char   *name;
} types[] = {
	{ DNS_A, "A" },
	{ DNS_CNAME, "CNAME" },
	{ DNS_PTR, "PTR" },
	{ DNS_MX, "MX" },
	{ DNS_TXT, "TXT" },
	{ DNS_AAAA, "AAAA" },
	{ DNS_TLSA, "TLSA" },
};

bool
dns_type_parse(struct bytes text, enum dns_type *out)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (bytes_equal_nocase(text, bytes_of(types[i].name))) {
			*out = types[i].type;
			return true;
		}
	return false;
}

const char *
dns_type_name(uint16_t type)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (types[i].type == type)
			return types[i].name;
	return NULL;
}

/* --- names --- */

static bool
is_label(struct bytes label)
{
	if (label.n == 0 || label.n > LABEL_MAX || label.p[0] == '-' ||
	    label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];

		if (!byte_is_alpha(c) && !byte_is_digit(c) && c != '-' && c != '_')
			return false;
	}
	return true;
}

/* The label at the front, "" at the root; a pointer, RFC 1035 section 4.1.4, is none. */
static bool
take_label(struct bytes *rest, struct bytes *label)
{
	size_t n;

	if (rest->n == 0)
		return false;
	n = (unsigned char)rest->p[0];
	if (n >= rest->n)
		return false;
	*label = bytes_first(bytes_from(*rest, 1), n);
	*rest = bytes_from(*rest, 1 + n);
	return n == 0 || is_label(*label);
}

/* Its bytes with that of the root; 0: it is no host's. */
static size_t
name_size(struct bytes data)
{
	struct bytes rest = data, label = { "", 0 };

	do
		if (!take_label(&rest, &label))
			return 0;
	while (label.n > 0);
	return data.n - rest.n <= DNS_NAME_MAX ? data.n - rest.n : 0;
}

bool
dns_name_add(struct buf *b, struct bytes data, size_t *used)
{
	size_t       size = name_size(data);
	struct bytes rest = bytes_first(data, size), label;

	if (size == 0)
		return false;
	*used = size;
	if (size == 1)
		buf_add_char(b, '.');
	while (take_label(&rest, &label) && label.n > 0) {
		if (rest.n + label.n + 1 < size)
			buf_add_char(b, '.');
		for (size_t i = 0; i < label.n; i++)
			buf_add_char(b, byte_lower(label.p[i]));
	}
	return true;
}

bool
dns_name_is_host(struct bytes text)
{
	struct bytes rest = text, label;

	if (bytes_equal(text, BYTES(".")))
		return true;
	/* in a packet it is two bytes longer */
	if (text.n == 0 || text.n + 2 > DNS_NAME_MAX ||
	    text.p[text.n - 1] == '.')
		return false;
	while (bytes_split(&rest, '.', &label))
		if (!is_label(label))
			return false;
	return true;
}

/* A name that is all of data. */
static bool
read_name(struct bytes data, char out[DNS_NAME_MAX + 1])
{
	struct buf b;
	size_t     used;
	bool       good;

	buf_init(&b, DNS_NAME_MAX);
	good = dns_name_add(&b, data, &used) && used == data.n && !b.failed &&
	    bytes_to_string(buf_bytes(&b), out, DNS_NAME_MAX + 1);
	buf_finish(&b);
	return good;
}

/* --- the data of one type --- */

bool
dns_mx_read(struct bytes data, struct dns_mx *out)
{
	if (data.n < 2)
		return false;
	out->preference = (uint16_t)((unsigned char)data.p[0] << 8 |
	    (unsigned char)data.p[1]);
	return read_name(bytes_from(data, 2), out->exchange);
}

bool
dns_address_read(enum dns_type type, struct bytes data, uint8_t out[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (type == DNS_AAAA && data.n == IPV6_BYTES) {
		memcpy(out, data.p, IPV6_BYTES);
		return true;
	}
	if (type != DNS_A || data.n != IPV4_BYTES)
		return false;
	memcpy(out, mapped, sizeof mapped);
	memcpy(out + sizeof mapped, data.p, IPV4_BYTES);
	return true;
}

bool
dns_tlsa_read(struct bytes data, struct dns_tlsa *out)
{
	if (data.n <= TLSA_HEAD)
		return false;
	*out = (struct dns_tlsa){
		.usage = (uint8_t)data.p[0],
		.selector = (uint8_t)data.p[1],
		.matching_type = (uint8_t)data.p[2],
		.association = bytes_from(data, TLSA_HEAD),
	};
	return true;
}

/* The <character-string> at the front, RFC 1035 section 3.3. */
static bool
take_string(struct bytes *rest, struct bytes *string)
{
	size_t n;

	if (rest->n == 0)
		return false;
	n = (unsigned char)rest->p[0];
	if (n > rest->n - 1)
		return false;
	*string = bytes_first(bytes_from(*rest, 1), n);
	*rest = bytes_from(*rest, 1 + n);
	return true;
}

/* One or more of them, and nothing else. */
static bool
are_strings(struct bytes data)
{
	struct bytes string;

	while (take_string(&data, &string))
		if (data.n == 0)
			return true;
	return false;
}

bool
dns_txt_add(struct buf *b, struct bytes data)
{
	struct bytes string;

	if (!are_strings(data))
		return false;
	while (take_string(&data, &string))
		buf_add_bytes(b, string);
	return true;
}

bool
dns_host_read(struct bytes data, char out[DNS_NAME_MAX + 1])
{
	return read_name(data, out);
}

/* --- for people --- */

static bool
add_address(struct buf *b, struct bytes data, size_t size, int family)
{
	char text[INET6_ADDRSTRLEN];

	if (data.n != size || inet_ntop(family, data.p, text, sizeof text) == NULL)
		return false;
	buf_add_string(b, text);
	return true;
}

static bool
add_ipv4(struct buf *b, struct bytes data)
{
	return add_address(b, data, IPV4_BYTES, AF_INET);
}

static bool
add_ipv6(struct buf *b, struct bytes data)
{
	return add_address(b, data, IPV6_BYTES, AF_INET6);
}

static bool
add_name(struct buf *b, struct bytes data)
{
	char name[DNS_NAME_MAX + 1];

	if (!read_name(data, name))
		return false;
	buf_add_string(b, name);
	return true;
}

static bool
add_mx(struct buf *b, struct bytes data)
{
	struct dns_mx mx;

	if (!dns_mx_read(data, &mx))
		return false;
	buf_addf(b, "%u %s", mx.preference, mx.exchange);
	return true;
}

static void
add_hex(struct buf *b, struct bytes data)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < data.n; i++) {
		unsigned byte = (unsigned char)data.p[i];

		buf_add_char(b, digits[byte >> 4]);
		buf_add_char(b, digits[byte & 15]);
	}
}

static bool
add_tlsa(struct buf *b, struct bytes data)
{
	struct dns_tlsa tlsa;

	if (!dns_tlsa_read(data, &tlsa))
		return false;
	buf_addf(b, "%u %u %u ", tlsa.usage, tlsa.selector, tlsa.matching_type);
	add_hex(b, tlsa.association);
	return true;
}

/* In quotes, with the escapes of RFC 1035 section 5.1. */
static void
add_quoted(struct buf *b, struct bytes string)
{
	buf_add_char(b, '"');
	for (size_t i = 0; i < string.n; i++) {
		char c = string.p[i];

		if (c == '"' || c == '\\')
			buf_add_char(b, '\\');
		if (byte_is_print(c))
			buf_add_char(b, c);
		else
			buf_addf(b, "\\%03u", (unsigned)(unsigned char)c);
	}
	buf_add_char(b, '"');
}

static bool
add_txt(struct buf *b, struct bytes data)
{
	struct bytes string;

	if (!are_strings(data))
		return false;
	while (take_string(&data, &string)) {
		add_quoted(b, string);
		if (data.n > 0)
			buf_add_char(b, ' ');
	}
	return true;
}

bool
dns_record_add(struct buf *b, uint16_t type, struct bytes data)
{
	switch (type) {
	case DNS_A:
		return add_ipv4(b, data);
	case DNS_AAAA:
		return add_ipv6(b, data);
	case DNS_CNAME:
	case DNS_PTR:
		return add_name(b, data);
	case DNS_MX:
		return add_mx(b, data);
	case DNS_TXT:
		return add_txt(b, data);
	case DNS_TLSA:
		return add_tlsa(b, data);
	default: /* RFC 3597 section 5 */
		buf_addf(b, "\\# %zu ", data.n);
		add_hex(b, data);
		return true;
	}
}
