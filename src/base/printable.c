#include "base/printable.h"

#include <string.h>

#include "base/buf.h"

bool
printable_is(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!byte_is_print(text.p[i]))
			return false;
	return true;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/*
 * The next byte to print, or '\0' at the end. *rest moves on; a run of white
 * space is one blank.
 */
static char
next_printable(struct bytes *rest)
{
	char c;

	if (rest->n == 0)
		return '\0';
	c = rest->p[0];
	*rest = bytes_from(*rest, 1);
	if (!is_space(c))
		return byte_is_print(c) ? c : '?';
	while (rest->n > 0 && is_space(rest->p[0]))
		*rest = bytes_from(*rest, 1);
	return ' ';
}

void
printable_add(struct buf *b, struct bytes text, size_t max)
{
	char c;

	while (max-- > 0 && (c = next_printable(&text)) != '\0')
		buf_add_char(b, c);
}

static bool
is_bare(struct bytes text, size_t max)
{
	static const char marks[] = "-_.:/@+=<>[],~";

	if (text.n == 0 || text.n > max)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (!byte_is_alpha(c) && !byte_is_digit(c) &&
		    (c == '\0' || strchr(marks, c) == NULL))
			return false;
	}
	return true;
}

void
printable_add_value(struct buf *b, struct bytes text, size_t max)
{
	char c;

	if (is_bare(text, max)) {
		buf_add_bytes(b, text);
		return;
	}
	buf_add_char(b, '"');
	while (max-- > 0 && (c = next_printable(&text)) != '\0') {
		if (c == '"' || c == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, c);
	}
	buf_add_char(b, '"');
}
