#include "service/route_passwords.h"

/* A line end would begin another line here; no server takes a NUL, RFC 4616 section 2. */
static bool
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

const char *
route_password_fault(struct bytes password)
{
	if (password.n == 0)
		return "there is no password in it";
	if (password.n > ROUTE_PASSWORD_MAX)
		return "is too long for a password";
	for (size_t i = 0; i < password.n; i++)
		if (is_control(password.p[i]))
			return "holds more than one line of text";
	return NULL;
}

void
route_passwords_add(
    struct buf *text, struct bytes domain, struct bytes password)
{
	buf_add_bytes(text, domain);
	buf_add_char(text, ' ');
	buf_add_bytes(text, password);
	buf_add_char(text, '\n');
}

struct bytes
route_passwords_find(struct bytes text, struct bytes domain)
{
	struct bytes line;

	while (bytes_split(&text, '\n', &line)) {
		size_t blank = bytes_find(line, ' ');

		if (blank < line.n && bytes_equal(bytes_first(line, blank), domain))
			return bytes_from(line, blank + 1);
	}
	return (struct bytes){ 0 };
}
