#include "proto/shadow.h"

#include "base/number.h"
#include "proto/colon_line.h"
#include "proto/passwd.h"

enum { FIELD_NAME, FIELD_HASH, FIELD_CHANGED, FIELD_EXPIRE = 7, FIELDS = 9 };

static bool
parse_expire(struct bytes field, struct shadow_entry *out)
{
	if (field.n == 0 || bytes_equal(field, BYTES("-1")))
		return true;
	out->expires = true;
	return number_parse(field, UINT64_MAX, &out->expire_day);
}

bool
shadow_parse_line(struct bytes line, struct shadow_entry *out)
{
	struct bytes        field[FIELDS];
	struct shadow_entry entry;

	if (!colon_line_split(line, field, FIELDS))
		return false;
	entry = (struct shadow_entry){
		.name = field[FIELD_NAME],
		.hash = field[FIELD_HASH],
		.rest = bytes_from(
		    line, (size_t)(field[FIELD_CHANGED].p - line.p)),
	};
	if (!passwd_name_is_valid(entry.name) ||
	    !parse_expire(field[FIELD_EXPIRE], &entry))
		return false;
	*out = entry;
	return true;
}

void
shadow_add_line(struct buf *b, const struct shadow_entry *entry)
{
	buf_add_bytes(b, entry->name);
	buf_add_char(b, ':');
	buf_add_bytes(b, entry->hash);
	buf_add_char(b, ':');
	buf_add_bytes(b, entry->rest);
	buf_add_char(b, '\n');
}

bool
shadow_next(struct bytes *rest, struct shadow_entry *out, unsigned *line)
{
	struct bytes text;

	if (!colon_line_next(rest, &text, line))
		return false;
	if (!shadow_parse_line(text, out))
		*out = (struct shadow_entry){ 0 };
	return true;
}

bool
shadow_find(struct bytes text, struct bytes name, struct shadow_entry *out)
{
	struct shadow_entry entry;

	while (name.n > 0 && shadow_next(&text, &entry, NULL)) {
		if (!bytes_equal(entry.name, name))
			continue;
		*out = entry;
		return true;
	}
	return false;
}

void
shadow_add_changed(struct buf *b, struct bytes text, struct bytes name,
    const struct shadow_entry *entry)
{
	struct shadow_entry old;
	struct bytes        line;

	while (bytes_split(&text, '\n', &line)) {
		if (!shadow_parse_line(line, &old) || !bytes_equal(old.name, name)) {
			buf_add_bytes(b, line);
			buf_add_char(b, '\n');
			continue;
		}
		if (entry)
			shadow_add_line(b, entry);
		entry = NULL;
	}
	if (entry)
		shadow_add_line(b, entry);
}

/* No hash begins with either: crypt(5). */
bool
shadow_is_locked(const struct shadow_entry *entry)
{
	return entry->hash.n == 0 || entry->hash.p[0] == '!' ||
	    entry->hash.p[0] == '*';
}

bool
shadow_has_hash(const struct shadow_entry *entry)
{
	for (size_t i = 0; i < entry->hash.n; i++)
		if (entry->hash.p[i] != '!' && entry->hash.p[i] != '*')
			return true;
	return false;
}

bool
shadow_is_expired(const struct shadow_entry *entry, uint64_t day)
{
	return entry->expires && day >= entry->expire_day;
}

bool
shadow_is_open(const struct shadow_entry *entry, uint64_t day)
{
	return !shadow_is_locked(entry) && !shadow_is_expired(entry, day);
}
