#include <string.h>

#include "proto/dsn_private.h"

bool
dsn_is_ascii(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > 127)
			return false;
	return true;
}

static unsigned char
byte_at(struct bytes text, size_t i)
{
	return i < text.n ? (unsigned char)text.p[i] : 0;
}

/* How many bytes the first character has by its first byte; 0: none starts so. */
static size_t
sequence_length(unsigned char first)
{
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/*
 * The bytes of the character that text starts with, above ASCII, RFC 3629 section 4. 0:
 * there is none, or it is a control character or a line end to somebody.
 */
static size_t
utf8_length(struct bytes text)
{
	const unsigned char first = byte_at(text, 0), second = byte_at(text, 1);
	const size_t        n = sequence_length(first);

	for (size_t i = 1; i < n; i++)
		if (byte_at(text, i) < 0x80 || byte_at(text, i) > 0xbf)
			return 0;
	if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
	    (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
		return 0;
	if (first == 0xc2 && second < 0xa0)
		return 0;
	/* U+2028 and U+2029 */
	if (first == 0xe2 && second == 0x80 && (byte_at(text, 2) & 0xfe) == 0xa8)
		return 0;
	return n;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* How many bytes of text become the next piece, which is *piece. */
static size_t
next_clean(struct bytes text, bool utf8, struct bytes *piece)
{
	size_t n = 0;

	while (n < text.n && is_space(text.p[n]))
		n++;
	if (n > 0) {
		*piece = BYTES(" ");
		return n;
	}
	n = utf8 ? utf8_length(text) : 0;
	if (n == 0 && byte_is_print(text.p[0]))
		n = 1;
	if (n == 0) {
		*piece = BYTES("?");
		return 1;
	}
	*piece = bytes_first(text, n);
	return n;
}

void
dsn_add_clean(struct buf *b, struct bytes text, size_t max, bool utf8)
{
	struct bytes piece;

	text = bytes_trim(text);
	while (text.n > 0) {
		text = bytes_from(text, next_clean(text, utf8, &piece));
		if (piece.n > max)
			return;
		buf_add_bytes(b, piece);
		max -= piece.n;
	}
}

void
dsn_add_address(struct buf *b, const struct dsn *d, struct bytes address)
{
	dsn_add_clean(b, address, DSN_ADDRESS_MAX, d->smtputf8);
}

void
dsn_add_folded(
    struct buf *b, struct bytes text, const char *indent, size_t column)
{
	bool         is_first = true;
	struct bytes word;

	while (bytes_split(&text, ' ', &word)) {
		if (word.n == 0)
			continue;
		if (!is_first && column + 1 + word.n > DSN_LINE) {
			buf_add_char(b, '\n');
			buf_add_string(b, indent);
			column = strlen(indent);
			is_first = true;
		}
		if (!is_first)
			buf_add_char(b, ' ');
		buf_add_bytes(b, word);
		column += word.n + !is_first;
		is_first = false;
	}
	buf_add_char(b, '\n');
}
