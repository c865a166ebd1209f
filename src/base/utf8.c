#include "base/utf8.h"

#include <stddef.h>
#include <stdint.h>

/* What a first byte says: the bytes behind it, its own bits, and the least that needs so many. */
struct lead {
	uint8_t  mask, value;
	size_t   n_more;
	uint32_t min;
};

static const struct lead leads[] = {
	{ 0x80, 0x00, 0, 0 },
	{ 0xe0, 0xc0, 1, 0x80 },
	{ 0xf0, 0xe0, 2, 0x800 },
	{ 0xf8, 0xf0, 3, 0x10000 },
};

/* The character at the front of *text, which is taken off. False: there is none. */
static bool
take_character(struct bytes *text, uint32_t *out)
{
	uint8_t            first = (uint8_t)text->p[0];
	const struct lead *lead = leads;
	uint32_t           character;

	while ((first & lead->mask) != lead->value)
		if (++lead == leads + sizeof leads / sizeof leads[0])
			return false;
	if (text->n <= lead->n_more)
		return false;
	character = first & (uint8_t)~lead->mask;
	for (size_t i = 1; i <= lead->n_more; i++) {
		uint8_t next = (uint8_t)text->p[i];

		if ((next & 0xc0) != 0x80)
			return false;
		character = character << 6 | (next & 0x3f);
	}
	*text = bytes_from(*text, 1 + lead->n_more);
	*out = character;
	return character >= lead->min && character <= 0x10ffff &&
	    (character < 0xd800 || character > 0xdfff);
}

static bool
is_plain(uint32_t character)
{
	static const struct {
		uint32_t first, last;
	} refused[] = {
		{ 0x00, 0x1f }, { 0x7f, 0x9f }, /* controls */
		{ 0x61c, 0x61c }, { 0x200e, 0x200f }, { 0x202a, 0x202e },
		{ 0x2066, 0x2069 },             /* directions */
		{ 0x2028, 0x2029 },             /* ends of lines and paragraphs */
		{ 0xfeff, 0xfeff },             /* the mark of byte order */
	};

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		if (character >= refused[i].first && character <= refused[i].last)
			return false;
	return true;
}

bool
utf8_is_plain(struct bytes text)
{
	uint32_t character;

	while (text.n > 0)
		if (!take_character(&text, &character) || !is_plain(character))
			return false;
	return true;
}
