#include "base/bytes.h"

#include <limits.h>
#include <string.h>

int
bytes_int(size_t n)
{
	return n > INT_MAX ? INT_MAX : (int)n;
}

struct bytes
bytes_of(const char *string)
{
	return (struct bytes){ string, string ? strlen(string) : 0 };
}

bool
bytes_equal(struct bytes a, struct bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
bytes_equal_nocase(struct bytes a, struct bytes b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (byte_lower(a.p[i]) != byte_lower(b.p[i]))
			return false;
	return true;
}

bool
bytes_start(struct bytes b, struct bytes prefix)
{
	return bytes_equal(bytes_first(b, prefix.n), prefix);
}

bool
bytes_start_nocase(struct bytes b, struct bytes prefix)
{
	return bytes_equal_nocase(bytes_first(b, prefix.n), prefix);
}

int
bytes_compare(struct bytes a, struct bytes b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int    order = n ? memcmp(a.p, b.p, n) : 0;

	if (order != 0 || a.n == b.n)
		return order;
	return a.n < b.n ? -1 : 1;
}

size_t
bytes_find(struct bytes b, char c)
{
	const char *at = b.n ? memchr(b.p, c, b.n) : NULL;

	return at ? (size_t)(at - b.p) : b.n;
}

size_t
bytes_find_last(struct bytes b, char c)
{
	for (size_t i = b.n; i > 0; i--)
		if (b.p[i - 1] == c)
			return i - 1;
	return b.n;
}

struct bytes
bytes_from(struct bytes b, size_t at)
{
	if (at == 0)
		return b; /* p may be NULL here */
	if (at > b.n)
		at = b.n;
	return (struct bytes){ b.p ? b.p + at : NULL, b.n - at };
}

struct bytes
bytes_first(struct bytes b, size_t n)
{
	return (struct bytes){ b.p, n < b.n ? n : b.n };
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct bytes
bytes_trim(struct bytes b)
{
	while (b.n > 0 && is_blank(b.p[0]))
		b = bytes_from(b, 1);
	while (b.n > 0 && is_blank(b.p[b.n - 1]))
		b.n--;
	return b;
}

bool
bytes_split(struct bytes *rest, char sep, struct bytes *piece)
{
	size_t at;

	if (rest->n == 0)
		return false;
	at = bytes_find(*rest, sep);
	*piece = bytes_first(*rest, at);
	*rest = bytes_from(*rest, at + 1);
	return true;
}

bool
bytes_to_string(struct bytes b, char *out, size_t size)
{
	if (size == 0)
		return false;
	out[0] = '\0';
	if (b.n >= size || bytes_find(b, '\0') != b.n)
		return false;
	if (b.n > 0)
		memcpy(out, b.p, b.n);
	out[b.n] = '\0';
	return true;
}

bool
byte_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool
byte_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
byte_is_print(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

char
byte_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}
