#include "proto/passwd.h"

#include "base/number.h"
#include "proto/colon_line.h"

enum { NAME_MAX_LENGTH = 31, FIELDS = 7 };

bool
passwd_name_is_valid(struct bytes name)
{
	static const struct bytes marks = BYTES_INIT("-_.");

	if (name.n == 0 || name.n > NAME_MAX_LENGTH)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool is_lower = c >= 'a' && c <= 'z';

		if (i == 0 && !is_lower && c != '_')
			return false;
		if (!is_lower && !byte_is_digit(c) &&
		    bytes_find(marks, c) == marks.n)
			return false;
	}
	return true;
}

/* (uid_t)-1 means "no change" to chown and setresuid: it is nobody's. */
static bool
parse_id(struct bytes field, uint32_t *out)
{
	uint64_t id;

	if (!number_parse(field, UINT32_MAX - 1, &id))
		return false;
	*out = (uint32_t)id;
	return true;
}

bool
passwd_parse_line(struct bytes line, struct passwd_entry *out)
{
	struct bytes        field[FIELDS];
	struct passwd_entry entry;

	if (!colon_line_split(line, field, FIELDS))
		return false;
	entry = (struct passwd_entry){
		.name = field[0],
		.gecos = field[4],
		.home = field[5],
		.shell = field[6],
	};
	if (!passwd_name_is_valid(entry.name) ||
	    !parse_id(field[2], &entry.uid) || !parse_id(field[3], &entry.gid) ||
	    !bytes_start(entry.home, BYTES("/")))
		return false;
	*out = entry;
	return true;
}

void
passwd_add_line(struct buf *b, const struct passwd_entry *entry)
{
	buf_add_bytes(b, entry->name);
	buf_addf(b, ":x:%lu:%lu:", (unsigned long)entry->uid,
	    (unsigned long)entry->gid);
	buf_add_bytes(b, entry->gecos);
	buf_add_char(b, ':');
	buf_add_bytes(b, entry->home);
	buf_add_char(b, ':');
	buf_add_bytes(b, entry->shell);
	buf_add_char(b, '\n');
}

bool
passwd_next(struct bytes *rest, struct passwd_entry *out, unsigned *line)
{
	struct bytes text;

	if (!colon_line_next(rest, &text, line))
		return false;
	if (!passwd_parse_line(text, out))
		*out = (struct passwd_entry){ 0 };
	return true;
}

bool
passwd_find(struct bytes text, struct bytes name, struct passwd_entry *out)
{
	struct passwd_entry entry;

	while (name.n > 0 && passwd_next(&text, &entry, NULL)) {
		if (!bytes_equal(entry.name, name))
			continue;
		*out = entry;
		return true;
	}
	return false;
}
