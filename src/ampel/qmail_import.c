#include "ampel/qmail_import.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/file.h"
#include "mail/address.h"
#include "mail/assignments.h"
#include "proto/config_text.h"

enum {
	/* the largest file may be assign, which is read and written again */
	MEMORY_MAX = 3 * ASSIGNMENTS_FILE_MAX,
	LINE_MAX_BYTES = 200,
	ON_ONE_LINE_MAX = 3,
};

static const char *const beside_names[QMAIL_BESIDES] = {
	[QMAIL_VIRTUALDOMAINS] = "virtualdomains",
	[QMAIL_ASSIGN] = "assign",
	[QMAIL_RULES] = "rules",
};

void
qmail_import_init(struct qmail_import *import)
{
	*import = (struct qmail_import){ .folder = NULL };
	arena_init(&import->arena, MEMORY_MAX);
	buf_init(&import->conf, CONFIG_TEXT_MAX);
	for (size_t i = 0; i < QMAIL_BESIDES; i++)
		buf_init(&import->files[i], ASSIGNMENTS_FILE_MAX);
	qmail_report_init(&import->carried);
	qmail_report_init(&import->left);
}

void
qmail_import_finish(struct qmail_import *import)
{
	qmail_report_finish(&import->left);
	qmail_report_finish(&import->carried);
	for (size_t i = 0; i < QMAIL_BESIDES; i++)
		buf_finish(&import->files[i]);
	buf_finish(&import->conf);
	qmail_names_finish(&import->locals);
	arena_finish(&import->arena);
}

const char *
qmail_beside_name(enum qmail_beside which)
{
	return beside_names[which];
}

/* --- files --- */

static void
note_source(struct qmail_import *import, const struct stat *st)
{
	struct qmail_source *source = arena_alloc(&import->arena, sizeof *source);

	if (source == NULL) {
		import->has_no_memory = true;
		return;
	}
	source->dev = st->st_dev;
	source->ino = st->st_ino;
	source->next = import->sources;
	import->sources = source;
}

bool
qmail_is_source(const struct qmail_import *import, const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return false;
	for (const struct qmail_source *s = import->sources; s != NULL; s = s->next)
		if (s->dev == st.st_dev && s->ino == st.st_ino)
			return true;
	return false;
}

enum qmail_file
qmail_read_path(struct qmail_import *import, const char *path, size_t max,
    struct bytes *content, struct stat *st)
{
	struct buf  b;
	struct stat its;
	int         error = 0;

	*content = (struct bytes){ NULL, 0 };
	buf_init(&b, max);
	if (file_read(path, &b, &its) == -1) {
		error = errno;
	} else {
		*content = arena_copy(&import->arena, buf_bytes(&b));
		note_source(import, &its);
		if (st != NULL)
			*st = its;
	}
	buf_finish(&b);
	if (error == ENOENT || error == ENOTDIR)
		return QMAIL_FILE_MISSING;
	if (error == 0 && content->p == NULL)
		error = ENOMEM;
	if (error == 0)
		return QMAIL_FILE_READ;
	qmail_report_add(&import->left, path, 0, "%s: nothing of it is carried over",
	    error == EINVAL ? "is no regular file" : strerror(error));
	return QMAIL_FILE_BROKEN;
}

enum qmail_file
qmail_read(struct qmail_import *import, const char *name, size_t max,
    struct bytes *content, struct stat *st)
{
	char path[QMAIL_PATH_MAX];

	*content = (struct bytes){ NULL, 0 };
	if (snprintf(path, sizeof path, "%s/%s", import->folder, name) >=
	    (int)sizeof path)
		return QMAIL_FILE_MISSING;
	return qmail_read_path(import, path, max, content, st);
}

bool
qmail_stat(const struct qmail_import *import, const char *name, struct stat *st)
{
	char path[QMAIL_PATH_MAX];

	return snprintf(path, sizeof path, "%s/%s", import->folder, name) <
	    (int)sizeof path && stat(path, st) == 0;
}

/* --- text --- */

bool
qmail_is_domain(struct bytes text)
{
	if (text.n > 0 && text.p[0] == '.')
		text = bytes_from(text, 1);
	return text.n > 0 && address_domain_is_valid(text);
}

struct bytes
qmail_lower(struct qmail_import *import, struct bytes text)
{
	char *copy = arena_string(&import->arena, text);

	for (size_t i = 0; copy && i < text.n; i++)
		copy[i] = byte_lower(copy[i]);
	if (copy == NULL)
		import->has_no_memory = true;
	return (struct bytes){ copy, copy ? text.n : 0 };
}

void
qmail_heading(struct qmail_import *import, const char *format, ...)
{
	char    text[LINE_MAX_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	buf_addf(&import->conf, "\n# %s\n", text);
}

void
qmail_add_list(struct qmail_import *import, const char *name,
    const struct bytes *v, size_t n)
{
	const bool is_long = n > ON_ONE_LINE_MAX;

	buf_addf(&import->conf, "%s = {", name);
	for (size_t i = 0; i < n; i++)
		buf_addf(&import->conf, "%s\"%.*s\"%s",
		    is_long ? "\n        " : " ", BYTES_ARG(v[i]),
		    is_long || i + 1 < n ? "," : "");
	buf_add_string(&import->conf, is_long ? "\n}\n" : " }\n");
}

static bool
make_room(struct qmail_import *import, struct qmail_names *names)
{
	size_t        room = names->room > 0 ? 2 * names->room : 16;
	struct bytes *v;

	if (names->n < names->room)
		return true;
	v = arena_alloc(&import->arena, room * sizeof *v);
	if (v == NULL)
		return false;
	if (names->n > 0)
		memcpy(v, names->v, names->n * sizeof *v);
	names->v = v;
	names->room = room;
	return true;
}

bool
qmail_names_add(struct qmail_import *import, struct qmail_names *names,
    struct bytes name)
{
	enum table_added added;

	if (!make_room(import, names)) {
		import->has_no_memory = true;
		return false;
	}
	added = table_add(&names->by_name, name, names);
	if (added == TABLE_NO_MEMORY)
		import->has_no_memory = true;
	if (added == TABLE_ADDED)
		names->v[names->n++] = name;
	return added == TABLE_ADDED;
}

static int
compare_names(const void *a, const void *b)
{
	return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

void
qmail_names_sort(struct qmail_names *names)
{
	if (names->n > 0)
		qsort(names->v, names->n, sizeof *names->v, compare_names);
}

void
qmail_names_finish(struct qmail_names *names)
{
	table_finish(&names->by_name);
}
