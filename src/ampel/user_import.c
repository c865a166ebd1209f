#include "ampel/user_import.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "ampel/output.h"
#include "base/table.h"
#include "io/file.h"
#include "io/password.h"
#include "proto/passwd.h"
#include "proto/shadow.h"

/* Names, each with a value that is not looked at. */
struct import {
	const char  *file;
	bool         force;
	struct table users;  /* who is here */
	struct table owners; /* who has a hash here, or a locked one */
	struct table seen;   /* whose line of the file was read */
	struct table taken;
	struct buf   lines;  /* of those who are taken */
	bool         has_no_memory;
};

static void
note(struct import *import, struct table *table, struct bytes name)
{
	if (table_add(table, name, import) == TABLE_NO_MEMORY)
		import->has_no_memory = true;
}

/* --- who is here --- */

static void
note_users(struct import *import, const struct user_files *f)
{
	struct bytes        passwd = buf_bytes(&f->passwd_text);
	struct bytes        shadow = buf_bytes(&f->shadow_text);
	struct passwd_entry user;
	struct shadow_entry entry;

	while (passwd_next(&passwd, &user, NULL))
		if (user.name.n > 0)
			note(import, &import->users, user.name);
	while (shadow_next(&shadow, &entry, NULL))
		if (entry.name.n > 0 && shadow_has_hash(&entry))
			note(import, &import->owners, entry.name);
}

/* --- the lines of the file --- */

/* NULL: it is taken. Else why it is not. */
static const char *
judge(const struct import *import, const struct shadow_entry *entry)
{
	if (!table_find(&import->users, entry->name))
		return "skipped, no such user here";
	if (table_find(&import->seen, entry->name))
		return "skipped, an earlier line has the name";
	if (!shadow_has_hash(entry))
		return "skipped, there is no hash";
	if (shadow_is_locked(entry))
		return "skipped, it is locked";
	if (password_strength(entry->hash) == PASSWORD_UNKNOWN)
		return "skipped, crypt(5) does not know such a hash";
	if (table_find(&import->owners, entry->name) && !import->force)
		return "kept, it has a password here (--force replaces it)";
	return NULL;
}

static void
import_line(struct import *import, const struct shadow_entry *entry)
{
	const char *why = judge(import, entry);

	note(import, &import->seen, entry->name);
	if (why == NULL) {
		note(import, &import->taken, entry->name);
		shadow_add_line(&import->lines, entry);
		why = password_strength(entry->hash) == PASSWORD_WEAK
		    ? "taken; warning: the hash is weak, let a new password be set"
		    : "taken";
	}
	printf("%.*s: %s\n", BYTES_ARG(entry->name), why);
}

static int
import_lines(struct import *import, struct bytes text)
{
	struct shadow_entry entry;
	unsigned            line = 0;
	int                 code = 0;

	while (shadow_next(&text, &entry, &line)) {
		if (entry.name.n > 0) {
			import_line(import, &entry);
			continue;
		}
		fprintf(stderr, "%s:%u: expected a name and eight more fields, "
		    "as in shadow(5)\n", import->file, line);
		code = EX_DATAERR;
	}
	return code;
}

/* --- the new file --- */

/* What is here without those who are taken, and these behind it. */
static int
store(struct import *import, struct user_files *f)
{
	struct bytes        text = buf_bytes(&f->shadow_text), line;
	struct shadow_entry entry;
	struct buf          content;
	int                 code;

	buf_init(&content, PASSWD_FILE_MAX);
	while (bytes_split(&text, '\n', &line)) {
		if (shadow_parse_line(line, &entry) &&
		    table_find(&import->taken, entry.name))
			continue;
		buf_add_bytes(&content, line);
		buf_add_char(&content, '\n');
	}
	buf_add_bytes(&content, buf_bytes(&import->lines));
	if (import->has_no_memory || import->lines.failed)
		code = output_complain(EX_TEMPFAIL, import->file, strerror(ENOMEM));
	else
		code = user_files_replace_shadow(f, &content);
	buf_wipe(&content);
	return code;
}

static int
import_text(struct import *import, struct user_files *f, struct bytes text)
{
	int code = user_files_lock(f);
	int broken;

	if (code != 0)
		return code;
	note_users(import, f);
	broken = import_lines(import, text);
	if (import->lines.len > 0 || import->lines.failed || import->has_no_memory)
		code = store(import, f);
	return code != 0 ? code : broken;
}

int
user_import(struct user_files *f, const char *file, bool force)
{
	struct import import = { .file = file, .force = force };
	struct buf    text;
	int           code;

	buf_init(&text, PASSWD_FILE_MAX);
	buf_init(&import.lines, PASSWD_FILE_MAX);
	if (file_read(file, &text, NULL) == 0)
		code = import_text(&import, f, buf_bytes(&text));
	else
		code = output_complain(EX_NOINPUT, file, strerror(errno));
	table_finish(&import.users);
	table_finish(&import.owners);
	table_finish(&import.seen);
	table_finish(&import.taken);
	buf_wipe(&import.lines);
	buf_wipe(&text);
	return code;
}
