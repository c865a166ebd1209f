#include "proto/assign.h"

#include <string.h>

#include "base/buf.h"
#include "base/number.h"
#include "mail/directory.h"

enum {
	FIELDS = 6, /* user, uid, gid, home, dash, ext */
	NAME_LENGTH = 255,
	HOME_LENGTH = 1023,
	SHOWN_MAX = 60, /* bytes of a key that a mistake quotes */
};

static const char line_expected[] =
    "expected =local:user:uid:gid:home:dash:ext: or "
    "+prefix:user:uid:gid:home:dash:ext:";

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

/* Whatever is part of a file's name, or of an environment. */
static bool
is_clean(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			return false;
	return true;
}

static bool
is_name(struct bytes text)
{
	return text.n <= NAME_LENGTH && is_clean(text) &&
	    bytes_find(text, '/') == text.n;
}

/* NULL: it is good. */
static const char *
mistake_of(const struct bytes field[FIELDS], struct assignment *out)
{
	*out = (struct assignment){
		.user = field[0],
		.home = field[3],
		.dash = field[4],
		.ext = field[5],
	};
	if (out->user.n == 0 || !is_name(out->user) || !is_name(out->dash) ||
	    !is_name(out->ext))
		return "the user, what stands for the dash or the extension is no part of a name";
	if (!parse_id(field[1], &out->uid) || !parse_id(field[2], &out->gid))
		return "uid or gid is no number";
	/* deliveries run as the user: root's would do so as root */
	if (out->uid == 0 || out->gid == 0)
		return "uid or gid is 0: root gets no mail; give it to somebody else";
	if (out->home.n > HOME_LENGTH || !is_clean(out->home) ||
	    !bytes_start(out->home, BYTES("/")))
		return "the home is not an absolute path";
	return NULL;
}

/* What stands behind key's ':' up to the sixth one; qmail-newu reads no further. */
static const char *
parse_fields(struct bytes rest, struct assignment *out)
{
	struct bytes field[FIELDS];

	for (size_t i = 0; i < FIELDS; i++) {
		size_t colon = bytes_find(rest, ':');

		if (colon == rest.n)
			return line_expected;
		field[i] = bytes_first(rest, colon);
		rest = bytes_from(rest, colon + 1);
	}
	return mistake_of(field, out);
}

/* --- the text --- */

/* Take the next line before ".". False at the end; *is_whole: "." was there. */
static bool
next_line(struct bytes *rest, struct bytes *line, unsigned *number, bool *is_whole)
{
	if (!bytes_split(rest, '\n', line))
		return false;
	++*number;
	*is_whole = bytes_equal(*line, BYTES("."));
	return !*is_whole;
}

/* The key of a line as it is written there. */
static const char *
parse_line(struct bytes line, struct bytes *key, struct assignment *out)
{
	size_t colon = bytes_find(line, ':');

	*key = bytes_first(line, colon);
	if (line.n == 0 || (line.p[0] != '=' && line.p[0] != '+') ||
	    colon == line.n || !is_clean(*key))
		return line_expected;
	if (key->n > DIRECTORY_USER_MAX)
		return "the local part is too long";
	return parse_fields(bytes_from(line, colon + 1), out);
}

static void
note_prefix(struct assignments *a, struct bytes lower_prefix)
{
	if (lower_prefix.n == 0)
		a->has_empty_prefix = true;
	else
		a->ends_prefix[(unsigned char)lower_prefix.p[lower_prefix.n - 1]] =
		    true;
}

/* False: no memory. */
static bool
add(struct assign *a, struct arena *arena, struct bytes written,
    const struct assignment *assignment)
{
	struct assignment *copy = arena_alloc(arena, sizeof *copy);
	char              *key = arena_string(arena, written);

	if (copy == NULL || key == NULL)
		return false;
	*copy = *assignment;
	for (size_t i = 0; i < written.n; i++)
		key[i] = byte_lower(key[i]);
	if (key[0] == '+')
		note_prefix(&a->assignments,
		    (struct bytes){ key + 1, written.n - 1 });
	return table_add(&a->by_key, (struct bytes){ key, written.n }, copy) !=
	    TABLE_NO_MEMORY;
}

static void
read_text(struct assign *a, struct bytes content, struct arena *arena,
    struct mistakes *mistakes)
{
	struct bytes      line, key;
	struct assignment assignment;
	unsigned          number = 0;
	bool              is_whole = false;

	while (next_line(&content, &line, &number, &is_whole)) {
		const char *mistake = parse_line(line, &key, &assignment);

		if (mistake == NULL && !add(a, arena, key, &assignment))
			mistake = "no memory";
		if (mistake != NULL)
			mistakes_add(mistakes, arena, number, "%s", mistake);
	}
	if (!is_whole)
		mistakes_add(mistakes, arena, 0,
		    "the last line is not \".\": the end is missing");
}

static bool
find_in_table(const void *source, struct bytes key, struct assignment *out)
{
	const struct assign     *a = source;
	const struct assignment *found = table_find(&a->by_key, key);

	if (found != NULL)
		*out = *found;
	return found != NULL;
}

/* --- the cdb --- */

/* Fields with a NUL behind each; behind the last one it may be missing. */
static const char *
parse_data(struct bytes data, struct assignment *out)
{
	struct bytes field[FIELDS];

	for (size_t i = 0; i < FIELDS; i++) {
		size_t end = bytes_find(data, '\0');

		if (end == data.n && i < FIELDS - 1)
			return "a record is broken";
		field[i] = bytes_first(data, end);
		data = bytes_from(data, end + 1);
	}
	return data.n == 0 ? mistake_of(field, out) : "a record is broken";
}

/* qmail-newu's key: "=local" is "!local\0", "+prefix" is "!prefix". */
static bool
find_record(const struct constant_db *db, struct bytes key, struct bytes *data)
{
	char       room[1 + DIRECTORY_USER_MAX + 1]; /* it cannot grow */
	struct buf b = { .p = room, .cap = sizeof room, .max = sizeof room - 1 };
	bool       is_exact = bytes_start(key, BYTES("="));

	if (!is_exact && !bytes_start(key, BYTES("+")))
		return false;
	buf_add_char(&b, '!');
	buf_add_bytes(&b, bytes_from(key, 1));
	if (is_exact)
		buf_add_char(&b, '\0');
	return !b.failed && constant_db_find(db, buf_bytes(&b), data);
}

static bool
find_in_db(const void *source, struct bytes key, struct assignment *out)
{
	const struct assign *a = source;
	struct bytes         data;

	return find_record(&a->db, key, &data) && parse_data(data, out) == NULL;
}

/* What qmail-newu calls key is one of ours, all of it. */
static bool
is_record_key(struct bytes key)
{
	size_t nul = bytes_find(key, '\0');

	return bytes_start(key, BYTES("!")) && key.n <= DIRECTORY_USER_MAX &&
	    nul + 1 >= key.n && is_clean(bytes_first(key, nul));
}

static const char *
check_record(const struct constant_db *db, struct bytes key, struct bytes data)
{
	struct assignment assignment;
	struct bytes      first;

	if (!is_record_key(key))
		return "a record is none of qmail-newu's";
	/* the tables behind the records, a part of which may be missing */
	if (!constant_db_find(db, key, &first))
		return "a record cannot be found";
	return parse_data(data, &assignment);
}

static void
read_db(struct assign *a, struct arena *arena, struct mistakes *mistakes)
{
	struct bytes key, data;
	size_t       at = 0;

	/* qmail-newu always writes which bytes prefixes end in: here all are seen */
	if (!constant_db_find(&a->db, BYTES(""), &data)) {
		mistakes_add(mistakes, arena, 0, "is not a cdb of qmail-newu");
		return;
	}
	while (constant_db_next(&a->db, &at, &key, &data)) {
		const char *mistake;

		if (key.n == 0)
			continue;
		mistake = check_record(&a->db, key, data);
		if (mistake != NULL)
			mistakes_add(mistakes, arena, 0, "\"%.*s\": %s",
			    BYTES_ARG(bytes_first(bytes_from(key, 1), SHOWN_MAX)),
			    mistake);
		else if (key.p[key.n - 1] != '\0')
			note_prefix(&a->assignments, bytes_from(key, 1));
	}
}

/* --- both --- */

void
assign_read(struct assign *a, struct bytes content, struct arena *arena,
    struct mistakes *mistakes)
{
	*a = (struct assign){ .assignments = { find_in_table, a, { false }, false } };
	if (!constant_db_is(content)) {
		read_text(a, content, arena, mistakes);
		return;
	}
	a->assignments.find = find_in_db;
	if (constant_db_open(&a->db, content))
		read_db(a, arena, mistakes);
	else
		mistakes_add(mistakes, arena, 0, "is no whole cdb");
}

void
assign_finish(struct assign *a)
{
	table_finish(&a->by_key);
	*a = (struct assign){ .by_key = { NULL, 0, 0 } };
}

static bool
find_line(struct bytes content, struct bytes key, struct assignment *out)
{
	struct bytes line, written;
	unsigned     number = 0;
	bool         is_whole = false;

	while (next_line(&content, &line, &number, &is_whole)) {
		written = bytes_first(line, bytes_find(line, ':'));
		if (bytes_equal_nocase(written, key))
			return parse_line(line, &written, out) == NULL;
	}
	return false;
}

bool
assign_find_one(struct bytes content, struct bytes key, struct assignment *out)
{
	struct constant_db db;
	struct bytes       data;

	if (!constant_db_is(content))
		return find_line(content, key, out);
	return constant_db_open(&db, content) && find_record(&db, key, &data) &&
	    parse_data(data, out) == NULL;
}
