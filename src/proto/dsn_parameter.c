#include "proto/dsn_parameter.h"

#include "base/printable.h"

/* --- xtext, RFC 3461 section 4 --- */

static const char hex[] = "0123456789ABCDEF";

static int
hex_digit(char c)
{
	for (int i = 0; i < 16; i++)
		if (hex[i] == c)
			return i;
	return -1;
}

/* One octet off the front; -1: not xtext. hexchar is '+' and two digits in upper case. */
static int
take_octet(struct bytes *text)
{
	char c = text->p[0];
	int  high, low;

	if (c < '!' || c > '~' || c == '=')
		return -1;
	if (c != '+') {
		*text = bytes_from(*text, 1);
		return (unsigned char)c;
	}
	if (text->n < 3)
		return -1;
	high = hex_digit(text->p[1]);
	low = hex_digit(text->p[2]);
	*text = bytes_from(*text, 3);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* What it stands for is printable ASCII; the rest could not be shown to anybody. */
static bool
decode_xtext(struct bytes text, struct buf *out)
{
	while (text.n > 0) {
		int octet = take_octet(&text);

		if (octet < ' ' || octet > '~')
			return false;
		buf_add_char(out, (char)octet);
	}
	return !out->failed;
}

void
dsn_xtext_add(struct buf *b, struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c >= '!' && c <= '~' && c != '+' && c != '=') {
			buf_add_char(b, (char)c);
			continue;
		}
		buf_add_char(b, '+');
		buf_add_char(b, hex[c >> 4]);
		buf_add_char(b, hex[c & 15]);
	}
}

/* --- NOTIFY, section 4.1 --- */

static const struct {
	const char *word;
	uint8_t     bit;
} conditions[] = {
	{ "NEVER", NOTIFY_NEVER },
	{ "SUCCESS", NOTIFY_SUCCESS },
	{ "FAILURE", NOTIFY_FAILURE },
	{ "DELAY", NOTIFY_DELAY },
};

enum { CONDITIONS = sizeof conditions / sizeof conditions[0] };

static uint8_t
condition_bit(struct bytes word)
{
	for (size_t i = 0; i < CONDITIONS; i++)
		if (bytes_equal_nocase(word, bytes_of(conditions[i].word)))
			return conditions[i].bit;
	return NOTIFY_UNSET;
}

bool
dsn_notify_parse(struct bytes value, uint8_t *notify)
{
	uint8_t all = NOTIFY_UNSET;

	for (;;) {
		size_t  comma = bytes_find(value, ',');
		uint8_t bit = condition_bit(bytes_first(value, comma));

		if (bit == NOTIFY_UNSET || (all & bit))
			return false;
		all |= bit;
		if (comma == value.n)
			break;
		value = bytes_from(value, comma + 1);
	}
	/* NEVER stands alone */
	if ((all & NOTIFY_NEVER) && all != NOTIFY_NEVER)
		return false;
	*notify = all;
	return true;
}

void
dsn_notify_add(struct buf *b, uint8_t notify)
{
	const char *before = " NOTIFY=";

	for (size_t i = 0; i < CONDITIONS; i++) {
		if (!(notify & conditions[i].bit))
			continue;
		buf_add_string(b, before);
		buf_add_string(b, conditions[i].word);
		before = ",";
	}
}

/* --- RET and ENVID, sections 4.3 and 4.4 --- */

bool
dsn_ret_parse(struct bytes value, enum envelope_ret *ret)
{
	if (bytes_equal_nocase(value, BYTES("FULL")))
		*ret = RET_FULL;
	else if (bytes_equal_nocase(value, BYTES("HDRS")))
		*ret = RET_HDRS;
	else
		return false;
	return true;
}

void
dsn_ret_add(struct buf *b, enum envelope_ret ret)
{
	if (ret != RET_UNSET)
		buf_add_string(b, ret == RET_FULL ? " RET=FULL" : " RET=HDRS");
}

bool
dsn_envid_parse(struct bytes value, struct buf *out)
{
	return value.n > 0 && value.n <= DSN_ENVID_MAX &&
	    decode_xtext(value, out);
}

void
dsn_envid_add(struct buf *b, struct bytes envid)
{
	if (envid.n == 0)
		return;
	buf_add_string(b, " ENVID=");
	dsn_xtext_add(b, envid);
}

/* --- ORCPT, section 4.2 --- */

/* An atom, as a type of addresses is. */
static bool
is_type(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!byte_is_alpha(text.p[i]) && !byte_is_digit(text.p[i]) &&
		    text.p[i] != '-')
			return false;
	return text.n > 0;
}

/* "\x{E9}" of utf-8-addr-xtext stays as it is: an ASCII form that goes on unchanged, RFC 6533 section 3. */
static bool
copy_utf8(struct bytes text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '=' || (unsigned char)text.p[i] <= ' ' ||
		    text.p[i] == 0x7f)
			return false;
	buf_add_bytes(out, text);
	return text.n > 0 && !out->failed;
}

bool
dsn_orcpt_parse(struct bytes value, bool smtputf8, struct buf *out)
{
	size_t       semicolon = bytes_find(value, ';');
	struct bytes type = bytes_first(value, semicolon);
	struct bytes text = bytes_from(value, semicolon + 1);

	if (value.n > DSN_ORCPT_MAX || semicolon == value.n || text.n == 0 ||
	    !is_type(type))
		return false;
	buf_add_bytes(out, type);
	buf_add_char(out, ';');
	if (bytes_equal_nocase(type, BYTES("utf-8")))
		return smtputf8 ? copy_utf8(text, out)
		                : printable_is(text) && copy_utf8(text, out);
	return decode_xtext(text, out);
}

void
dsn_orcpt_add(struct buf *b, struct bytes orcpt)
{
	size_t       semicolon = bytes_find(orcpt, ';');
	struct bytes type = bytes_first(orcpt, semicolon);
	struct bytes text = bytes_from(orcpt, semicolon + 1);

	if (semicolon >= orcpt.n)
		return;
	buf_add_string(b, " ORCPT=");
	buf_add_bytes(b, type);
	buf_add_char(b, ';');
	if (bytes_equal_nocase(type, BYTES("utf-8")))
		buf_add_bytes(b, text);
	else
		dsn_xtext_add(b, text);
}
