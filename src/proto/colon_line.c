#include "proto/colon_line.h"

static bool
is_clean(struct bytes line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7f)
			return false;
	return true;
}

bool
colon_line_split(struct bytes line, struct bytes field[], size_t n)
{
	struct bytes rest = line;

	for (size_t i = 0; i < n; i++) {
		size_t colon = bytes_find(rest, ':');

		/* the last field has no colon behind it */
		if ((colon == rest.n) != (i == n - 1))
			return false;
		field[i] = bytes_first(rest, colon);
		rest = bytes_from(rest, colon + 1);
	}
	return is_clean(line);
}

bool
colon_line_next(struct bytes *rest, struct bytes *line, unsigned *number)
{
	while (bytes_split(rest, '\n', line)) {
		if (number)
			++*number;
		if (line->n > 0 && line->p[0] != '#')
			return true;
	}
	return false;
}
