/* What tcpserver was told of clients: the rules of `listen smtp`. */
#include "ampel/qmail_import.h"

#include <stdio.h>
#include <string.h>

#include "mail/mistakes.h"
#include "proto/constant_db.h"
#include "proto/tcprules.h"

enum { VARIABLES_MAX = 100, SHOWN_MAX = 100 };

/* A variable that means nothing here, and where it stood first. */
struct variable {
	struct bytes name;
	struct bytes value;
	unsigned     line; /* 0: in a database */
	size_t       n;
};

struct rules {
	struct qmail_import *import;
	const char          *file; /* that is read */
	struct variable      variables[VARIABLES_MAX];
	size_t               n_variables;
	bool                 has_relay_client;
};

/* --- variables --- */

static void
note_variable(
    struct rules *r, struct bytes name, struct bytes value, unsigned line)
{
	size_t i = 0;

	if (bytes_equal(name, BYTES("RELAYCLIENT"))) {
		r->has_relay_client = true;
		return;
	}
	if (bytes_equal(name, BYTES("DATABYTES")))
		return;
	while (i < r->n_variables && !bytes_equal(r->variables[i].name, name))
		i++;
	if (i == VARIABLES_MAX)
		return;
	if (i == r->n_variables)
		r->variables[r->n_variables++] =
		    (struct variable){ name, value, line, 0 };
	r->variables[i].n++;
}

/* ",NAME="value"" as often as it stands there; any character quotes. */
static void
note_variables(struct rules *r, struct bytes rest, unsigned line)
{
	struct bytes name, value;

	while (rest.n > 0 && rest.p[0] == ',') {
		rest = bytes_from(rest, 1);
		if (!bytes_split(&rest, '=', &name) || rest.n == 0)
			return;
		value = bytes_from(rest, 1);
		value = bytes_first(value, bytes_find(value, rest.p[0]));
		rest = bytes_from(rest, value.n + 2);
		note_variable(r, name, value, line);
	}
}

static void
say_variable(const struct rules *r, const struct variable *v)
{
	bool       is_queue = bytes_equal(v->name, BYTES("QMAILQUEUE"));
	struct buf often;

	buf_init(&often, 64);
	if (v->n > 1)
		buf_addf(&often, ", the first of %zu,", v->n);
	qmail_report_add(&r->import->left, r->file, v->line,
	    "%.*s=\"%.*s\"%s %s", BYTES_ARG(bytes_first(v->name, SHOWN_MAX)),
	    BYTES_ARG(bytes_first(v->value, SHOWN_MAX)), buf_string(&often),
	    is_queue ? "ran that program in front of the queue; Ampel has filter "
	               "blocks for this, see ampel.conf(5)"
	             : "means nothing to Ampel");
	buf_finish(&often);
}

static void
say_variables(const struct rules *r)
{
	for (size_t i = 0; i < r->n_variables; i++)
		say_variable(r, &r->variables[i]);
	if (r->n_variables == VARIABLES_MAX)
		qmail_report_add(&r->import->left, r->file, 0,
		    "has more variables than are listed");
}

/* --- a file --- */

static bool
has_mistake(const struct mistakes *mistakes, unsigned line, struct bytes *text)
{
	for (size_t i = 0; i < mistakes->n; i++)
		if (mistakes->list[i].line == line) {
			*text = mistakes->list[i].text;
			return true;
		}
	return false;
}

/* All lines but those that Ampel would not take. */
static void
copy_text(struct rules *r, struct bytes content, const struct mistakes *mistakes)
{
	struct buf  *b = &r->import->files[QMAIL_RULES];
	struct bytes line, why;
	unsigned     number = 0;

	while (bytes_split(&content, '\n', &line)) {
		if (has_mistake(mistakes, ++number, &why)) {
			qmail_report_add(&r->import->left, r->file, number,
			    "%.*s: left out", BYTES_ARG(why));
			continue;
		}
		buf_add_bytes(b, line);
		buf_add_char(b, '\n');
		if (line.n > 0 && line.p[0] != '#') {
			struct bytes rest = bytes_from(line, bytes_find(line, ':'));

			note_variables(
			    r, bytes_from(rest, bytes_find(rest, ',')), number);
		}
	}
}

/* The variables of a database's record, "+NAME=value\0" each. */
static void
note_record(struct rules *r, struct bytes data)
{
	struct bytes variable, name;

	while (bytes_split(&data, '\0', &variable))
		if (variable.n > 0 && variable.p[0] == '+') {
			variable = bytes_from(variable, 1);
			if (bytes_split(&variable, '=', &name))
				note_variable(r, name, variable, 0);
		}
}

static void
copy_db(struct rules *r, struct bytes content)
{
	struct constant_db db;
	struct bytes       key, data;
	size_t             at = 0;

	if (!constant_db_open(&db, content))
		return;
	while (constant_db_next(&db, &at, &key, &data))
		note_record(r, data);
	buf_add_bytes(&r->import->files[QMAIL_RULES], content);
}

/* Behind what is there already. */
static void
add_content(struct rules *r, struct bytes content)
{
	struct mistakes *mistakes =
	    arena_alloc(&r->import->arena, sizeof *mistakes);
	struct tcprules  rules;
	struct bytes     why;

	if (mistakes == NULL) {
		r->import->has_no_memory = true;
		return;
	}
	*mistakes = (struct mistakes){ .n = 0 };
	tcprules_read(&rules, content, &r->import->arena, mistakes);
	if (mistakes->dropped > 0)
		qmail_report_add(&r->import->left, r->file, 0,
		    "has too many mistakes: nothing of it is carried over");
	else if (has_mistake(mistakes, 0, &why))
		qmail_report_add(&r->import->left, r->file, 0,
		    "%.*s: nothing of it is carried over", BYTES_ARG(why));
	else if (constant_db_is(content))
		copy_db(r, content);
	else
		copy_text(r, content, mistakes);
	say_variables(r);
	r->n_variables = 0;
}

/* False: it is not there. */
static bool
add_file(struct rules *r, const char *path)
{
	const struct buf *b = &r->import->files[QMAIL_RULES];
	size_t            len = b->len;
	struct bytes      content;

	r->file = arena_string(&r->import->arena, bytes_of(path));
	if (r->file == NULL) {
		r->import->has_no_memory = true;
		return false;
	}
	switch (qmail_read_path(
	    r->import, path, TCPRULES_FILE_MAX, &content, NULL)) {
	case QMAIL_FILE_MISSING:
		return false;
	case QMAIL_FILE_BROKEN:
		return true;
	case QMAIL_FILE_READ:
		break;
	}
	if (len > 0 && (constant_db_is(content) || constant_db_is(buf_bytes(b)))) {
		qmail_report_add(&r->import->left, path, 0,
		    "a database cannot be joined with other rules: left out; "
		    "give the text that it was made of");
		return true;
	}
	add_content(r, content);
	if (b->len > len)
		qmail_report_add(&r->import->carried, path, 0,
		    "rules, in the file rules");
	return true;
}

/* --- where they are --- */

static const struct {
	const char *folder; /* NULL: qmail's */
	const char *name;
} places[] = {
	{ NULL, "tcp.smtp" },
	{ NULL, "rules" },
	{ NULL, "rules/smtp" },
	{ NULL, "rules/tcp.smtp" },
	{ NULL, "control/rules.smtp" },
	{ NULL, "control/tcp.smtp" },
	{ NULL, "control/rules" },
	{ NULL, "etc/tcp.smtp" },
	{ "/etc", "tcp.smtp" }, /* of the usual qmail alone */
};

/* Take it when it is the first one that is there; later ones are listed. */
static void
try_place(struct rules *r, const char *folder, const char *name, const char *end)
{
	char        path[QMAIL_PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof path, "%s/%s%s", folder, name, end) >=
	        (int)sizeof path ||
	    stat(path, &st) == -1 || !S_ISREG(st.st_mode))
		return;
	if (r->file == NULL)
		add_file(r, path);
	else
		qmail_report_add(&r->import->left, path, 0,
		    "was not looked at, %s was taken; another one is named by "
		    "--rules", r->file);
}

/* The text before the database that was made of it. */
static void
find_files(struct rules *r)
{
	bool is_usual = strcmp(r->import->folder, "/var/qmail") == 0;

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		const char *folder = places[i].folder;

		if (folder != NULL && !is_usual)
			continue;
		if (folder == NULL)
			folder = r->import->folder;
		try_place(r, folder, places[i].name, "");
		try_place(r, folder, places[i].name, ".cdb");
	}
}

bool
qmail_rules(struct qmail_import *import)
{
	struct rules *r = arena_alloc(&import->arena, sizeof *r);

	if (r == NULL) {
		import->has_no_memory = true;
		return false;
	}
	r->import = import;
	for (const char *const *file = import->rules_files; *file != NULL; file++)
		if (!add_file(r, *file))
			qmail_report_add(&import->left, *file, 0, "missing");
	if (import->rules_files[0] == NULL)
		find_files(r);
	if (import->files[QMAIL_RULES].len == 0)
		qmail_report_add(&import->left, "tcprules", 0,
		    "no rules were found: no host may relay without a password "
		    "(inside is empty), and none is denied; --rules FILE names "
		    "them");
	else if (!r->has_relay_client)
		qmail_report_add(&import->left, r->file, 0,
		    "no rule sets RELAYCLIENT: no host may relay without a "
		    "password");
	return import->files[QMAIL_RULES].len > 0;
}
