#include "ampel/cmd_user.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ampel/accounts.h"
#include "ampel/config_load.h"
#include "ampel/home.h"
#include "ampel/output.h"
#include "base/buf.h"
#include "io/file.h"
#include "mail/paths.h"
#include "proto/passwd.h"

enum { LOCK_WAIT_MS = 10 * 1000 };

static const char mail_account[] = "_ampelmail";
static const char no_shell[] = "/usr/sbin/nologin";

/* The file of users, open for a change. */
struct users {
	const struct config *config;
	bool                 json;
	char                 path[PATHS_MAX];
	struct buf           text;
	int                  lock;
};

static int
complain(int code, const char *what, const char *why)
{
	fprintf(stderr, "ampel: %s: %s\n", what, why);
	return code;
}

/* --- the file --- */

/* 0 or an exit code. A file that is not there has no users. */
static int
read_users(struct users *users)
{
	if (file_read(users->path, &users->text, NULL) == 0 ||
	    errno == ENOENT)
		return 0;
	return complain(
	    EX_CANTCREAT, users->path, strerror(errno));
}

/* Nobody else changes the file from here to close_users. */
static int
lock_users(struct users *users)
{
	char etc[PATHS_MAX];

	if (!paths_get(users->config, PATH_ETC, BYTES(""), etc) ||
	    file_make_folders(etc, 0755) == -1)
		return complain(EX_CANTCREAT, "folder of the users' file",
		    strerror(errno));
	users->lock = file_lock(users->path, LOCK_WAIT_MS);
	if (users->lock == -1)
		return complain(errno == ETIMEDOUT ? EX_TEMPFAIL : EX_CANTCREAT,
		    users->path, strerror(errno));
	return read_users(users);
}

static int
replace_users(struct users *users, const struct buf *content)
{
	if (content->failed)
		return complain(EX_CANTCREAT, users->path,
		    "it would be too large");
	if (file_replace(users->path, buf_bytes(content), 0644) == -1)
		return complain(
		    EX_CANTCREAT, users->path, strerror(errno));
	return 0;
}

/* --- add --- */

/* Who the mail belongs to: our mail account, or without root whoever we are. */
static bool
find_owner(struct passwd_entry *entry)
{
	entry->uid = geteuid();
	entry->gid = getegid();
	return entry->uid != 0 ||
	    account_find(mail_account, &entry->uid, &entry->gid);
}

static int
append_user(struct users *users, const struct passwd_entry *entry)
{
	struct buf content;
	int        code;

	buf_init(&content, PASSWD_FILE_MAX);
	buf_add_bytes(&content, buf_bytes(&users->text));
	if (content.len > 0 && content.p[content.len - 1] != '\n')
		buf_add_char(&content, '\n');
	passwd_add_line(&content, entry);
	code = replace_users(users, &content);
	buf_finish(&content);
	return code;
}

/* The mailbox comes first: a user whom lookup knows can get mail at once. */
static int
add_with_home(struct users *users, struct passwd_entry *entry, const char *home)
{
	char        error[HOME_ERROR];
	int         code;
	struct home made = { .path = home, .uid = entry->uid, .gid = entry->gid };

	if (!home_make(&made, error, sizeof error))
		return complain(EX_CANTCREAT, home, error);
	code = append_user(users, entry);
	if (code != 0)
		return code;
	printf("%.*s: added, mail in %s/Maildir%s\n", BYTES_ARG(entry->name),
	    home, made.was_there ? ", which was there before" : "");
	return 0;
}

static int
add(struct users *users, struct bytes name)
{
	struct passwd_entry old, entry = {
		.name = name, .shell = bytes_of(no_shell),
	};
	char                home[PATHS_MAX];
	int                 code;

	if (!passwd_name_is_valid(name))
		return complain(EX_DATAERR, "user add",
		    "a name has 1 to 31 of a-z 0-9 - _ . and begins with a-z or _");
	if (!paths_get(users->config, PATH_HOME, name, home))
		return complain(EX_CANTCREAT, "user add", "the path is too long");
	if (!find_owner(&entry))
		return complain(EX_CONFIG, "account _ampelmail is missing",
		    "contrib/sysusers/create makes it");
	code = lock_users(users);
	if (code != 0)
		return code;
	if (passwd_find(buf_bytes(&users->text), name, &old))
		return complain(
		    EX_CANTCREAT, "user add", "there is a user of that name");
	entry.home = bytes_of(home);
	return add_with_home(users, &entry, home);
}

/* --- remove --- */

/* All lines but those of that user, comments and broken ones as they are. */
static void
add_others(struct buf *b, struct bytes text, struct bytes name)
{
	struct passwd_entry entry;
	struct bytes        line;

	while (bytes_split(&text, '\n', &line)) {
		if (passwd_parse_line(line, &entry) &&
		    bytes_equal(entry.name, name))
			continue;
		buf_add_bytes(b, line);
		buf_add_char(b, '\n');
	}
}

static int
remove_user(struct users *users, struct bytes name)
{
	struct passwd_entry entry;
	struct buf          content;
	int                 code = lock_users(users);

	if (code != 0)
		return code;
	if (!passwd_find(buf_bytes(&users->text), name, &entry))
		return complain(EX_NOUSER, "user remove", "no such user");
	buf_init(&content, PASSWD_FILE_MAX + 1);
	add_others(&content, buf_bytes(&users->text), name);
	code = replace_users(users, &content);
	buf_finish(&content);
	if (code == 0)
		printf("%.*s: removed; the mail stays in %.*s\n",
		    BYTES_ARG(name), BYTES_ARG(entry.home));
	return code;
}

/* --- list --- */

static void
show(bool json, const struct passwd_entry *entry)
{
	struct buf line;

	if (!json) {
		printf("%-20.*s %10lu  %.*s\n", BYTES_ARG(entry->name),
		    (unsigned long)entry->uid, BYTES_ARG(entry->home));
		return;
	}
	buf_init(&line, PASSWD_FILE_MAX);
	buf_add_string(&line, "{\"name\":");
	output_json(&line, entry->name);
	buf_addf(&line, ",\"uid\":%lu,\"gid\":%lu,\"home\":",
	    (unsigned long)entry->uid, (unsigned long)entry->gid);
	output_json(&line, entry->home);
	buf_add_char(&line, '}');
	puts(buf_string(&line));
	buf_finish(&line);
}

static int
list(struct users *users)
{
	struct passwd_entry entry;
	struct bytes        rest;
	unsigned            line = 0;
	int                 code = read_users(users);

	if (code != 0)
		return code;
	rest = buf_bytes(&users->text);
	while (passwd_next(&rest, &entry, &line)) {
		if (entry.name.n > 0) {
			show(users->json, &entry);
			continue;
		}
		fprintf(stderr,
		    "%s:%u: expected name:x:uid:gid:text:/home:shell\n",
		    users->path, line);
		code = EX_DATAERR;
	}
	return code;
}

/* --- the command --- */

static int
dispatch(struct users *users, const struct command *c)
{
	if (c->argc == 2 && strcmp(c->argv[0], "add") == 0)
		return add(users, bytes_of(c->argv[1]));
	if (c->argc == 2 && strcmp(c->argv[0], "remove") == 0)
		return remove_user(users, bytes_of(c->argv[1]));
	if (c->argc == 1 && strcmp(c->argv[0], "list") == 0)
		return list(users);
	fprintf(stderr, "usage: ampel user add NAME | remove NAME | list\n");
	return EX_USAGE;
}

static int
run(const struct config *config, const struct command *c)
{
	struct users users = { .config = config, .json = c->json, .lock = -1 };
	int          code;

	if (config->users == USERS_SYSTEM)
		return complain(EX_CONFIG, "users = system",
		    "the users of this host have mailboxes, add and remove them "
		    "there");
	if (!paths_get(config, PATH_PASSWD, BYTES(""), users.path))
		return complain(EX_CONFIG, "root", "the path is too long");
	buf_init(&users.text, PASSWD_FILE_MAX);
	code = dispatch(&users, c);
	if (users.lock != -1)
		close(users.lock);
	buf_finish(&users.text);
	return code;
}

int
cmd_user(const struct command *c)
{
	struct config *config = config_load_or_say(c->config_file);
	int            code;

	if (config == NULL)
		return EX_CONFIG;
	code = run(config, c);
	config_free(config);
	return code;
}
