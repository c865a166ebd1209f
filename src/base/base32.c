#include "base/base32.h"

#include <string.h>

static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";

/* 26 characters hold 130 bits: the first character carries only three. */
enum { SPARE = BASE32_TEXT * 5 - BASE32_BITS * 8 };

void
base32_encode(const uint8_t bits[BASE32_BITS], char text[BASE32_TEXT])
{
	unsigned pending = 0;
	int      have = SPARE;
	size_t   in = 0;

	for (size_t i = 0; i < BASE32_TEXT; i++) {
		if (have < 5) {
			pending = pending << 8 | bits[in++];
			have += 8;
		}
		have -= 5;
		text[i] = alphabet[pending >> have & 31];
		pending &= (1U << have) - 1;
	}
}

bool
base32_decode(struct bytes text, uint8_t bits[BASE32_BITS])
{
	unsigned pending = 0;
	int      have = -SPARE;
	size_t   out = 0;

	if (text.n != BASE32_TEXT)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		const char *at = text.p[i] ? strchr(alphabet, text.p[i]) : NULL;

		if (at == NULL || (i == 0 && at - alphabet >= 8))
			return false;
		pending = pending << 5 | (unsigned)(at - alphabet);
		have += 5;
		if (have >= 8) {
			have -= 8;
			bits[out++] = (uint8_t)(pending >> have);
			pending &= (1U << have) - 1;
		}
	}
	return out == BASE32_BITS;
}
