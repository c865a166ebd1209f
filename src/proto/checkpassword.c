#include "proto/checkpassword.h"

enum { NULS = 3 }; /* behind name, password and timestamp */

/* What stands before the next NUL, which must be there. */
static bool
take(struct bytes *rest, struct bytes *out)
{
	size_t end = bytes_find(*rest, '\0');

	if (end == rest->n)
		return false;
	*out = bytes_first(*rest, end);
	*rest = bytes_from(*rest, end + 1);
	return true;
}

bool
checkpassword_parse(struct bytes text, struct checkpassword *out)
{
	struct checkpassword found;
	struct bytes         timestamp;

	if (text.n > CHECKPASSWORD_MAX || !take(&text, &found.name) ||
	    !take(&text, &found.password) || !take(&text, &timestamp))
		return false;
	*out = found;
	return true;
}

static bool
has_form(struct bytes name, struct bytes password)
{
	return name.n <= CHECKPASSWORD_MAX - NULS &&
	    password.n <= CHECKPASSWORD_MAX - NULS - name.n &&
	    bytes_find(name, '\0') == name.n &&
	    bytes_find(password, '\0') == password.n;
}

bool
checkpassword_add(struct buf *b, struct bytes name, struct bytes password)
{
	if (!has_form(name, password))
		return false;
	buf_add_bytes(b, name);
	buf_add_char(b, '\0');
	buf_add_bytes(b, password);
	buf_add(b, "\0", 2); /* and an empty timestamp */
	return !b->failed;
}

bool
checkpassword_is_possible(const struct checkpassword *login)
{
	return login->name.n > 0 && has_form(login->name, login->password);
}

void
checkpassword_probe(char text[CHECKPASSWORD_PROBE])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

	for (size_t i = 0; i < CHECKPASSWORD_PROBE; i++)
		text[i] = letters[(unsigned char)text[i] % (sizeof letters - 1)];
}
