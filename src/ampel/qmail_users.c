/* users/ and alias/: who has a mailbox, and who gets what is nobody's. */
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "ampel/qmail_import.h"
#include "base/number.h"
#include "base/printable.h"
#include "mail/assignments.h"
#include "mail/directory.h"
#include "proto/assign.h"
#include "proto/constant_db.h"

static const char assign_file[] = "users/assign";
static const char db_file[] = "users/cdb";

enum {
	FIELDS = 7,   /* key, user, uid, gid, home, dash, ext */
	HOMES_MAX = 10000, /* whose .qmail files are looked at */
	SHOWN_MAX = 100,
};

enum { KEY, USER, UID, GID, HOME, DASH, EXT };

struct assigning {
	struct qmail_import *import;
	const char          *file;
	struct qmail_names   homes; /* "uid:home" */
	size_t               n;
};

/* --- one entry --- */

static bool
is_id(struct bytes text, uint64_t *id)
{
	return number_parse(text, UINT32_MAX - 1, id);
}

static void
add_line(struct buf *b, const struct bytes field[FIELDS])
{
	for (size_t i = 0; i < FIELDS; i++)
		buf_addf(b, "%.*s:", BYTES_ARG(field[i]));
	buf_add_char(b, '\n');
}

/* Whether who reads the file takes the line. */
static bool
is_taken(const struct bytes field[FIELDS])
{
	struct assignment out;
	struct buf        line;
	bool              is_taken;

	buf_init(&line, ASSIGNMENTS_FILE_MAX);
	add_line(&line, field);
	is_taken = !line.failed &&
	    assign_find_one(buf_bytes(&line), field[KEY], &out);
	buf_finish(&line);
	return is_taken;
}

/* Why an entry cannot be carried over, or NULL. */
static const char *
judge(const struct bytes field[FIELDS])
{
	uint64_t uid, gid;

	for (size_t i = 0; i < FIELDS; i++)
		if (!printable_is(field[i]))
			return "holds control bytes: left out";
	if (field[KEY].n == 0 || (field[KEY].p[0] != '=' && field[KEY].p[0] != '+'))
		return "begins with neither '=' nor '+': left out";
	if (field[KEY].n > DIRECTORY_USER_MAX)
		return "is longer than a local part can be: left out";
	if (!is_id(field[UID], &uid) || !is_id(field[GID], &gid))
		return "has no uid or gid: left out";
	if (uid == 0 || gid == 0)
		return "is root: left out, root gets no mail; let an alias lead "
		       "to a user";
	if (field[HOME].n == 0 || field[HOME].p[0] != '/')
		return "has no absolute home: left out";
	if (!is_taken(field))
		return "has a user, dash or extension that is no part of a name, or "
		       "a home that is too long: left out";
	return NULL;
}

static void
note_home(struct assigning *a, const struct bytes field[FIELDS])
{
	struct buf   b;
	struct bytes key;

	buf_init(&b, QMAIL_PATH_MAX);
	buf_addf(&b, "%.*s:%.*s", BYTES_ARG(field[UID]), BYTES_ARG(field[HOME]));
	key = arena_copy(&a->import->arena, buf_bytes(&b));
	if (!b.failed && key.p != NULL && a->homes.n < HOMES_MAX)
		qmail_names_add(a->import, &a->homes, key);
	buf_finish(&b);
}

static void
add_entry(struct assigning *a, const struct bytes field[FIELDS], unsigned line)
{
	struct buf *b = &a->import->files[QMAIL_ASSIGN];
	const char *why = judge(field);

	if (why != NULL) {
		qmail_report_add(&a->import->left, a->file, line, "\"%.*s\" %s",
		    BYTES_ARG(bytes_first(field[KEY], SHOWN_MAX)), why);
		return;
	}
	add_line(b, field);
	note_home(a, field);
	a->n++;
}

/* --- all of them --- */

static void
read_text(struct assigning *a, struct bytes text)
{
	struct bytes line, field[FIELDS];
	unsigned     number = 0;
	size_t       i;

	while (bytes_split(&text, '\n', &line)) {
		number++;
		if (bytes_equal(line, BYTES(".")))
			return;
		for (i = 0; i < FIELDS && bytes_find(line, ':') < line.n; i++)
			bytes_split(&line, ':', &field[i]);
		if (i == FIELDS)
			add_entry(a, field, number);
		else
			qmail_report_add(&a->import->left, a->file, number,
			    "is no =local:user:uid:gid:home:dash:ext: nor the "
			    "same with '+': left out");
	}
	qmail_report_add(&a->import->left, a->file, 0,
	    "has no last line \".\": qmail-newu would not have taken it");
}

/* As qmail-newu writes it: "!local\0" or "!prefix", then the fields, each with a NUL. */
static void
read_record(struct assigning *a, struct bytes key, struct bytes data)
{
	struct bytes field[FIELDS];
	struct buf   b;
	bool         is_exact = key.p[key.n - 1] == '\0';

	buf_init(&b, DIRECTORY_USER_MAX + 2);
	buf_addf(&b, "%c%.*s", is_exact ? '=' : '+',
	    BYTES_ARG(bytes_from(bytes_first(key, key.n - is_exact), 1)));
	field[KEY] = arena_copy(&a->import->arena, buf_bytes(&b));
	for (size_t i = USER; i < FIELDS; i++)
		if (!bytes_split(&data, '\0', &field[i]))
			field[i] = (struct bytes){ "", 0 };
	if (b.failed || field[KEY].p == NULL)
		qmail_report_add(&a->import->left, a->file, 0,
		    "\"%.*s\" is longer than a local part can be: left out",
		    BYTES_ARG(bytes_first(key, SHOWN_MAX)));
	else
		add_entry(a, field, 0);
	buf_finish(&b);
}

static void
read_db(struct assigning *a, struct bytes content)
{
	struct constant_db db;
	struct bytes       key, data;
	size_t             at = 0;

	if (!constant_db_open(&db, content)) {
		qmail_report_add(&a->import->left, a->file, 0,
		    "is no constant database: nothing of it is carried over");
		return;
	}
	while (constant_db_next(&db, &at, &key, &data))
		if (key.n > 0 && key.p[0] == '!')
			read_record(a, key, data);
}

/* qmail-lspawn reads the database, qmail-newu makes it from the text. */
static void
compare_ages(struct qmail_import *import, const struct stat *text)
{
	struct stat db;

	if (!qmail_stat(import, db_file, &db))
		qmail_report_add(&import->left, assign_file, 0,
		    "qmail did not know it, since qmail-newu had made no users/cdb "
		    "of it; Ampel does: look at the file assign");
	else if (text->st_mtime > db.st_mtime)
		qmail_report_add(&import->left, assign_file, 0,
		    "is newer than users/cdb, which is what qmail used; Ampel "
		    "uses this one: look at the file assign");
}

static void
look_at_homes(struct assigning *a)
{
	for (size_t i = 0; i < a->homes.n; i++) {
		struct bytes text, home = a->homes.v[i];
		char         path[QMAIL_PATH_MAX];
		uint64_t     uid;

		if (bytes_split(&home, ':', &text) && is_id(text, &uid) &&
		    bytes_to_string(home, path, sizeof path))
			qmail_dot_files(a->import, (uint32_t)uid, path);
	}
	if (a->homes.n == HOMES_MAX)
		qmail_report_add(&a->import->left, a->file, 0,
		    "names more homes than are looked at: the .qmail files of "
		    "others may hold surprises");
}

static void
read_assign(struct qmail_import *import)
{
	struct assigning a = { .import = import, .file = assign_file };
	struct bytes     content;
	struct stat      st;

	if (qmail_read(import, assign_file, ASSIGNMENTS_FILE_MAX, &content,
	        &st) == QMAIL_FILE_READ) {
		compare_ages(import, &st);
		read_text(&a, content);
	} else if (qmail_read(import, db_file, ASSIGNMENTS_FILE_MAX, &content,
	               NULL) == QMAIL_FILE_READ) {
		a.file = db_file;
		read_db(&a, content);
	}
	if (a.n > 0) {
		buf_add_string(&import->files[QMAIL_ASSIGN], ".\n");
		qmail_heading(import, "%s", a.file);
		buf_addf(&import->conf, "assign = \"%s/%s\"\n", import->beside,
		    qmail_beside_name(QMAIL_ASSIGN));
		qmail_report_add(&import->carried, a.file, 0,
		    "assign: %zu, in the file assign", a.n);
		look_at_homes(&a);
	}
	qmail_names_finish(&a.homes);
}

/* --- what qmail-pw2u reads --- */

static void
say_sources(struct qmail_import *import)
{
	static const char *const files[] = { "users/include", "users/exclude",
		"users/mailnames", "users/subusers", "users/append" };
	struct stat st;

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (qmail_stat(import, files[i], &st))
			qmail_report_add(&import->left, files[i], 0,
			    "is for qmail-pw2u, which makes users/assign: what it "
			    "did is in there; Ampel does not read it");
}

/* --- alias --- */

static bool
is_same_folder(const char *path, const struct stat *folder)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == folder->st_dev &&
	    st.st_ino == folder->st_ino;
}

static void
carry_alias(struct qmail_import *import, const struct passwd *account,
    const struct stat *folder)
{
	qmail_heading(import, "alias/: who gets what is nobody's");
	buf_addf(&import->conf, "alias_user = \"%s\"\n", account->pw_name);
	qmail_report_add(&import->carried, "alias", 0, "alias_user");
	if (!is_same_folder(account->pw_dir, folder))
		qmail_report_add(&import->left, "alias", 0,
		    "the home of \"%s\" is %s, and there Ampel looks for .qmail "
		    "files: usermod -d %s/alias %s", account->pw_name,
		    account->pw_dir, import->folder, account->pw_name);
}

static void
read_alias(struct qmail_import *import)
{
	char           path[QMAIL_PATH_MAX];
	struct passwd *account;
	struct stat    st;

	if (!qmail_stat(import, "alias", &st)) {
		qmail_report_add(&import->left, "alias", 0,
		    "missing: mail for nobody is refused, as it was, unless there "
		    "is an account alias (alias_user)");
		return;
	}
	account = st.st_uid == 0 ? getpwnam("alias") : getpwuid(st.st_uid);
	if (account == NULL || account->pw_uid == 0) {
		qmail_report_add(&import->left, "alias", 0,
		    "belongs to no account that mail can be delivered for: what "
		    "is nobody's is refused; make an account alias with this "
		    "home, and give it the folder");
		return;
	}
	carry_alias(import, account, &st);
	if (snprintf(path, sizeof path, "%s/alias", import->folder) <
	    (int)sizeof path)
		qmail_dot_files(import, account->pw_uid, path);
}

void
qmail_users(struct qmail_import *import)
{
	qmail_heading(import, "The users of this host, with their .qmail files");
	buf_add_string(&import->conf,
	    "users = system\nrecipient_delimiter = \"-\"\n");
	qmail_report_add(&import->left, "users of this host", 0,
	    "qmail gave mail to every account but root that owns its home; Ampel "
	    "does to those with a uid from 1000 to 59999: others need an entry in "
	    "the file assign");
	read_assign(import);
	say_sources(import);
	read_alias(import);
	if (import->n_dot_files > 0)
		qmail_report_add(&import->carried, ".qmail", 0,
		    "%zu files stay where they are", import->n_dot_files);
}
