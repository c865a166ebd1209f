#include "proto/log_line.h"

static bool
is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

/* How long the value is, with its quotes; 0 for one that does not end. */
static size_t
value_length(struct bytes text)
{
	size_t n = 1;

	if (text.n == 0 || text.p[0] != '"')
		return bytes_find(text, ' ');
	while (n < text.n && text.p[n] != '"')
		n += text.p[n] == '\\' ? 2 : 1;
	return n < text.n ? n + 1 : 0;
}

/* "key=value" at the front of *text, and the blank behind it. */
static bool
take_field(struct bytes *text, struct log_field *out)
{
	size_t       n = 0;
	struct bytes value;

	while (n < text->n && is_key_char(text->p[n]))
		n++;
	if (n == 0 || n == text->n || text->p[n] != '=')
		return false;
	out->key = bytes_first(*text, n);
	value = bytes_from(*text, n + 1);
	n = value_length(value);
	if (n == 0 && value.n > 0 && value.p[0] == '"')
		return false;
	*text = bytes_from(value, n);
	if (text->n > 0 && text->p[0] == ' ')
		*text = bytes_from(*text, 1);
	out->value = bytes_first(value, n);
	if (n >= 2 && value.p[0] == '"')
		out->value = (struct bytes){ value.p + 1, n - 2 };
	return true;
}

/* Where the first field begins: "id=" or "ev=" behind nothing or a blank. */
static size_t
find_start(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		struct bytes rest = bytes_from(text, i);

		if ((i == 0 || text.p[i - 1] == ' ') &&
		    (bytes_start(rest, BYTES("id=")) ||
		        bytes_start(rest, BYTES("ev="))))
			return i;
	}
	return text.n;
}

/*
 * Of "2026-11-24T23:30:38.042Z ampel[7]: " or "Nov 24 23:30:38 host ampel: " what tells the
 * time: up to the blank behind the first word with two colons.
 */
static struct bytes
time_of(struct bytes front)
{
	unsigned colons = 0;

	for (size_t i = 0; i < front.n; i++) {
		if (front.p[i] == ':')
			colons++;
		if (front.p[i] != ' ')
			continue;
		if (colons >= 2)
			return bytes_first(front, i);
		colons = 0;
	}
	return (struct bytes){ NULL, 0 };
}

bool
log_line_read(struct bytes text, struct log_line *out)
{
	size_t start = find_start(text);

	*out = (struct log_line){ .time = time_of(bytes_first(text, start)) };
	text = bytes_from(text, start);
	while (out->n < LOG_FIELDS_MAX && take_field(&text, &out->fields[out->n]))
		out->n++;
	return log_line_get(out, "ev").n > 0;
}

struct bytes
log_line_get(const struct log_line *line, const char *key)
{
	for (size_t i = 0; i < line->n; i++)
		if (bytes_equal(line->fields[i].key, bytes_of(key)))
			return line->fields[i].value;
	return (struct bytes){ NULL, 0 };
}

void
log_value_add(struct buf *b, struct bytes value)
{
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\\' && i + 1 < value.n)
			i++;
		buf_add_char(b, value.p[i]);
	}
}
