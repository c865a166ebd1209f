#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { GROUP_DATA = 3, GROUP_TEXT = 4 };

/* One to three octets as four characters. */
static void
add_group(struct buf *b, struct bytes data)
{
	char     text[GROUP_TEXT];
	uint32_t bits = 0;

	for (size_t i = 0; i < GROUP_DATA; i++)
		bits = bits << 8 | (i < data.n ? (unsigned char)data.p[i] : 0);
	for (size_t i = 0; i < GROUP_TEXT; i++)
		text[i] = i <= data.n ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
	buf_add(b, text, sizeof text);
}

void
base64_add(struct buf *b, struct bytes data)
{
	for (size_t at = 0; at < data.n; at += GROUP_DATA)
		add_group(b, bytes_first(bytes_from(data, at), GROUP_DATA));
}

static bool
parse_digit(char c, uint32_t *digit)
{
	const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

	if (at == NULL)
		return false;
	*digit = (uint32_t)(at - alphabet);
	return true;
}

/* Two to four characters, the padding gone, as one to three octets. */
static bool
parse_group(struct bytes text, struct buf *out)
{
	char     data[GROUP_DATA];
	uint32_t bits = 0, digit;

	for (size_t i = 0; i < GROUP_TEXT; i++) {
		digit = 0;
		if (i < text.n && !parse_digit(text.p[i], &digit))
			return false;
		bits = bits << 6 | digit;
	}
	for (size_t i = 0; i < GROUP_DATA; i++)
		data[i] = (char)(bits >> (16 - 8 * i) & 255);
	/* RFC 4648 section 3.5: the bits that fill up the last character are zero. */
	if (text.n < GROUP_TEXT && data[text.n - 1] != 0)
		return false;
	buf_add(out, data, text.n - 1);
	return true;
}

bool
base64_parse(struct bytes text, struct buf *out)
{
	if (text.n % GROUP_TEXT != 0)
		return false;
	for (int pads = 0; pads < 2 && text.n > 0 && text.p[text.n - 1] == '='; pads++)
		text = bytes_first(text, text.n - 1);
	for (size_t at = 0; at < text.n; at += GROUP_TEXT)
		if (!parse_group(bytes_first(bytes_from(text, at), GROUP_TEXT), out))
			return false;
	return !out->failed;
}
