#include "proto/dsn_parameter.h"

#include <stddef.h>
#include <string.h>

#include "base/printable.h"

static const struct notify_name {
	struct bytes name;
	uint8_t      bit;
} notify_names[] = {
	{ BYTES_INIT("NEVER"), NOTIFY_NEVER },
	{ BYTES_INIT("SUCCESS"), NOTIFY_SUCCESS },
	{ BYTES_INIT("FAILURE"), NOTIFY_FAILURE },
	{ BYTES_INIT("DELAY"), NOTIFY_DELAY },
};

enum { N_NOTIFY = sizeof notify_names / sizeof *notify_names };

static uint8_t
notify_bit(struct bytes name)
{
	for (size_t i = 0; i < N_NOTIFY; i++)
		if (bytes_equal_nocase(name, notify_names[i].name))
			return notify_names[i].bit;
	return NOTIFY_UNSET;
}

/* RFC 3461 section 4.1: a list; NEVER stands alone. */
bool
dsn_notify_parse(struct bytes value, uint8_t *notify)
{
	uint8_t      all = NOTIFY_UNSET;
	struct bytes name;
	bool         is_whole = value.n > 0 && value.p[value.n - 1] != ',';

	while (bytes_split(&value, ',', &name)) {
		uint8_t bit = notify_bit(name);

		if (bit == NOTIFY_UNSET)
			return false;
		all |= bit;
	}
	if (!is_whole || (all != NOTIFY_NEVER && (all & NOTIFY_NEVER)))
		return false;
	*notify = all;
	return true;
}

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

/* --- xtext, RFC 3461 section 4 --- */

static const char upper_digits[] = "0123456789ABCDEF";

static bool
hex_digit(char c, unsigned *digit)
{
	const char *at = c == '\0' ? NULL : strchr(upper_digits, c);

	if (at == NULL)
		return false;
	*digit = (unsigned)(at - upper_digits);
	return true;
}

/* What stands for itself. */
static bool
is_xchar(char c)
{
	return byte_is_print(c) && c != ' ' && c != '+' && c != '=';
}

/* "+2B" at the front. */
static bool
hexchar_parse(struct bytes text, char *c)
{
	unsigned high, low;

	if (text.n < 3 || text.p[0] != '+' || !hex_digit(text.p[1], &high) ||
	    !hex_digit(text.p[2], &low))
		return false;
	*c = (char)(high * 16 + low);
	return true;
}

/*
 * Only what is printable once decoded: it will stand in the lines of a report (sections
 * 4.2 and 4.4 want the same).
 */
static bool
xtext_parse(struct bytes text, struct buf *out)
{
	char c;

	if (text.n == 0)
		return false;
	while (text.n > 0) {
		size_t n = 1;

		c = text.p[0];
		if (!is_xchar(c)) {
			if (!hexchar_parse(text, &c) || !byte_is_print(c))
				return false;
			n = 3;
		}
		buf_add_char(out, c);
		text = bytes_from(text, n);
	}
	return !out->failed;
}

void
dsn_xtext_add(struct buf *b, struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (is_xchar(text.p[i])) {
			buf_add_char(b, text.p[i]);
			continue;
		}
		buf_add_char(b, '+');
		buf_add_char(b, upper_digits[c >> 4]);
		buf_add_char(b, upper_digits[c & 15]);
	}
}

bool
dsn_envid_parse(struct bytes value, struct buf *out)
{
	return value.n <= DSN_ENVID_MAX && xtext_parse(value, out);
}

/* --- addresses of the type utf-8, RFC 6533 section 3 --- */

enum { POINT_MAX = 0x10ffff };

static bool
is_point(uint32_t point)
{
	return point >= ' ' && point <= POINT_MAX && (point < 0x7f || point > 0x9f) &&
	    (point < 0xd800 || point > 0xdfff);
}

/* One character of UTF-8 at the front, RFC 3629; controls are none. Its length, 0: none. */
static size_t
utf8_parse(struct bytes text, uint32_t *point)
{
	static const struct {
		unsigned char mask, front;
		uint32_t      least;
	} forms[] = {
		{ 0x80, 0x00, 0 },
		{ 0xe0, 0xc0, 0x80 },
		{ 0xf0, 0xe0, 0x800 },
		{ 0xf8, 0xf0, 0x10000 },
	};
	unsigned char c = text.n > 0 ? (unsigned char)text.p[0] : 0;
	size_t        n = 0;

	while (n < 4 && (c & forms[n].mask) != forms[n].front)
		n++;
	if (n >= text.n || n == 4)
		return 0;
	*point = c & (unsigned char)~forms[n].mask;
	for (size_t i = 1; i <= n; i++) {
		unsigned char next = (unsigned char)text.p[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (next & 0x3f);
	}
	return *point >= forms[n].least && is_point(*point) ? n + 1 : 0;
}

static void
utf8_add(struct buf *b, uint32_t point)
{
	if (point < 0x80) {
		buf_add_char(b, (char)point);
		return;
	}
	if (point < 0x800) {
		buf_add_char(b, (char)(0xc0 | point >> 6));
	} else {
		if (point < 0x10000) {
			buf_add_char(b, (char)(0xe0 | point >> 12));
		} else {
			buf_add_char(b, (char)(0xf0 | point >> 18));
			buf_add_char(b, (char)(0x80 | (point >> 12 & 0x3f)));
		}
		buf_add_char(b, (char)(0x80 | (point >> 6 & 0x3f)));
	}
	buf_add_char(b, (char)(0x80 | (point & 0x3f)));
}

/* "\x{1F4E7}" at the front: two to six digits. Its length, 0: none. */
static size_t
embedded_parse(struct bytes text, uint32_t *point)
{
	size_t   close = bytes_find(bytes_first(text, 3 + 7), '}');
	unsigned digit;

	if (!bytes_start(text, BYTES("\\x{")) || close < 5 || close > 9 ||
	    close >= text.n || text.p[close] != '}')
		return 0;
	*point = 0;
	for (size_t i = 3; i < close; i++) {
		if (!hex_digit(text.p[i], &digit))
			return 0;
		*point = *point * 16 + digit;
	}
	return is_point(*point) ? close + 1 : 0;
}

/* What stands for itself in the form that is ASCII only. */
static bool
is_qchar(char c)
{
	return is_xchar(c) && c != '\\';
}

/* utf-8-addr-xtext or utf-8-addr-unitext, mixed as it may be. */
static bool
utf8_address_parse(struct bytes text, struct buf *out)
{
	uint32_t point;
	size_t   n;

	if (text.n == 0)
		return false;
	for (; text.n > 0; text = bytes_from(text, n)) {
		n = text.p[0] == '\\' ? embedded_parse(text, &point)
		                      : utf8_parse(text, &point);
		if (n == 0 || (n == 1 && !is_qchar(text.p[0])))
			return false;
		utf8_add(out, point);
	}
	return !out->failed;
}

/* In ASCII, so every server can be told. */
static void
utf8_address_add(struct buf *b, struct bytes text)
{
	uint32_t point;
	size_t   n;

	for (; text.n > 0; text = bytes_from(text, n)) {
		n = utf8_parse(text, &point);
		if (n == 0) {
			buf_add_char(b, '?');
			n = 1;
		} else if (n == 1 && is_qchar(text.p[0])) {
			buf_add_char(b, text.p[0]);
		} else {
			buf_addf(b, "\\x{%02X}", (unsigned)point);
		}
	}
}

/* --- the original recipient --- */

static bool
is_address_type(struct bytes type)
{
	for (size_t i = 0; i < type.n; i++)
		if (!byte_is_alpha(type.p[i]) && !byte_is_digit(type.p[i]) &&
		    type.p[i] != '-')
			return false;
	return type.n > 0;
}

static bool
is_utf8_type(struct bytes type)
{
	return bytes_equal_nocase(type, BYTES("utf-8"));
}

bool
dsn_orcpt_parse(struct bytes value, bool smtputf8, struct buf *out)
{
	size_t       semicolon = bytes_find(value, ';');
	struct bytes type = bytes_first(value, semicolon);
	struct bytes text = bytes_from(value, semicolon + 1);

	if (value.n > DSN_ORCPT_MAX || !is_address_type(type))
		return false;
	buf_add_bytes(out, type);
	buf_add_char(out, ';');
	if (is_utf8_type(type))
		return smtputf8 && utf8_address_parse(text, out);
	return xtext_parse(text, out);
}

/* --- as they go out --- */

void
dsn_notify_add(struct buf *b, uint8_t notify)
{
	const char *front = " NOTIFY=";

	for (size_t i = 0; i < N_NOTIFY; i++) {
		if (!(notify & notify_names[i].bit))
			continue;
		buf_add_string(b, front);
		buf_add_bytes(b, notify_names[i].name);
		front = ",";
	}
}

void
dsn_ret_add(struct buf *b, enum envelope_ret ret)
{
	if (ret != RET_UNSET)
		buf_add_string(b, ret == RET_FULL ? " RET=FULL" : " RET=HDRS");
}

void
dsn_envid_add(struct buf *b, struct bytes envid)
{
	if (envid.n == 0)
		return;
	buf_add_string(b, " ENVID=");
	dsn_xtext_add(b, envid);
}

void
dsn_orcpt_add(struct buf *b, struct bytes orcpt)
{
	size_t       semicolon = bytes_find(orcpt, ';');
	struct bytes type = bytes_first(orcpt, semicolon);
	struct bytes text = bytes_from(orcpt, semicolon + 1);

	if (text.n == 0 || !is_address_type(type))
		return;
	buf_add_string(b, " ORCPT=");
	buf_add_bytes(b, type);
	buf_add_char(b, ';');
	if (is_utf8_type(type))
		utf8_address_add(b, text);
	else
		dsn_xtext_add(b, text);
}
