#include "proto/qmail_control.h"

#include "base/buf.h"
#include "base/number.h"
#include "mail/address.h"

enum { DOMAIN_MAX = 255 };

static struct bytes
without_trailing_blanks(struct bytes line)
{
	while (line.n > 0 &&
	    (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
		line.n--;
	return line;
}

struct bytes
qmail_control_line(struct bytes text)
{
	return without_trailing_blanks(bytes_first(text, bytes_find(text, '\n')));
}

/* What stands behind the digits does not count, as with qmail. */
bool
qmail_control_number(struct bytes text, uint64_t *out)
{
	struct bytes line = qmail_control_line(text);
	size_t       digits = 0;

	while (digits < line.n && byte_is_digit(line.p[digits]))
		digits++;
	return number_parse(bytes_first(line, digits), UINT64_MAX, out);
}

bool
qmail_control_next(struct bytes *rest, struct bytes *entry, unsigned *line)
{
	while (bytes_split(rest, '\n', entry)) {
		if (line != NULL)
			++*line;
		*entry = without_trailing_blanks(*entry);
		if (entry->n > 0 && entry->p[0] != '#')
			return true;
	}
	return false;
}

bool
qmail_control_pair(
    struct bytes entry, struct bytes *key, struct bytes *value)
{
	size_t colon = bytes_find(entry, ':');

	*key = bytes_first(entry, colon);
	*value = bytes_from(entry, colon + 1);
	return colon < entry.n;
}

/* "example.org" is that domain alone, ".example.org" all below it. */
static bool
has_name(struct bytes entry, struct bytes domain)
{
	if (bytes_equal_nocase(entry, domain))
		return true;
	return entry.n > 0 && entry.p[0] == '.' && entry.n < domain.n &&
	    bytes_equal_nocase(entry, bytes_from(domain, domain.n - entry.n));
}

/* qmail-newmrh writes keys in lower case. */
static bool
is_in_db(const struct constant_db *db, struct bytes domain)
{
	char         room[DOMAIN_MAX];
	struct bytes data;

	if (domain.n > sizeof room)
		return false;
	for (size_t i = 0; i < domain.n; i++)
		room[i] = byte_lower(domain.p[i]);
	for (size_t at = 0; at < domain.n; at++)
		if ((at == 0 || room[at] == '.') &&
		    constant_db_find(db,
		        (struct bytes){ room + at, domain.n - at }, &data))
			return true;
	return false;
}

bool
qmail_control_has_domain(
    struct bytes rcpthosts, const struct constant_db *more, struct bytes domain)
{
	struct bytes entry;

	while (qmail_control_next(&rcpthosts, &entry, NULL))
		if (has_name(entry, domain))
			return true;
	return is_in_db(more, domain);
}

static bool
is_listed(struct bytes badmailfrom, struct bytes address)
{
	struct bytes domain = bytes_from(address, bytes_find_last(address, '@'));
	struct bytes entry;

	while (qmail_control_next(&badmailfrom, &entry, NULL))
		if (bytes_equal_nocase(entry, address) ||
		    bytes_equal_nocase(entry, domain))
			return true;
	return false;
}

/* As the list has it: without quoting, which qmail takes off. */
static bool
is_plainly_listed(struct bytes badmailfrom, struct bytes reverse_path)
{
	struct address address;
	struct buf     plain;
	bool           is_bad;

	if (!address_parse_utf8(reverse_path, &address))
		return false;
	buf_init(&plain, ADDRESS_MAX + ADDRESS_DOMAIN_MAX);
	address_add_plain_local(&plain, &address);
	buf_add_char(&plain, '@');
	address_add_canonical_domain(&plain, &address);
	is_bad = is_listed(badmailfrom, buf_bytes(&plain));
	buf_finish(&plain);
	return is_bad;
}

bool
qmail_control_is_bad_sender(struct bytes badmailfrom, struct bytes reverse_path)
{
	return is_listed(badmailfrom, reverse_path) ||
	    is_plainly_listed(badmailfrom, reverse_path);
}
