#include "ampel/cmd_user.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ampel/accounts.h"
#include "ampel/config_load.h"
#include "ampel/home.h"
#include "ampel/output.h"
#include "ampel/user_files.h"
#include "ampel/user_import.h"
#include "ampel/user_list.h"
#include "ampel/user_password.h"
#include "base/buf.h"
#include "mail/paths.h"
#include "proto/passwd.h"

static const char mail_account[] = "_ampelmail";
static const char no_shell[] = "/usr/sbin/nologin";

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
append_user(struct user_files *f, const struct passwd_entry *entry)
{
	struct buf content;
	int        code;

	buf_init(&content, PASSWD_FILE_MAX);
	buf_add_bytes(&content, buf_bytes(&f->passwd_text));
	if (content.len > 0 && content.p[content.len - 1] != '\n')
		buf_add_char(&content, '\n');
	passwd_add_line(&content, entry);
	code = user_files_replace_passwd(f, &content);
	buf_finish(&content);
	return code;
}

/*
 * First no password, so that one of an earlier user of that name opens nothing; then the
 * mailbox, since a user whom lookup knows can get mail at once.
 */
static int
add_with_home(struct user_files *f, struct passwd_entry *entry, const char *home)
{
	char        error[HOME_ERROR];
	struct home made = { .path = home, .uid = entry->uid, .gid = entry->gid };
	int         code = user_password_add_none(f, entry->name);

	if (code != 0)
		return code;
	if (!home_make(&made, error, sizeof error))
		return output_complain(EX_CANTCREAT, home, error);
	code = append_user(f, entry);
	if (code != 0)
		return code;
	printf("%.*s: added, mail in %s/Maildir%s\n", BYTES_ARG(entry->name),
	    home, made.was_there ? ", which was there before" : "");
	printf("%.*s: no password yet, to set one: ampel user passwd %.*s\n",
	    BYTES_ARG(entry->name), BYTES_ARG(entry->name));
	return 0;
}

static int
add(struct user_files *f, struct bytes name)
{
	struct passwd_entry old, entry = {
		.name = name, .shell = bytes_of(no_shell),
	};
	char                home[PATHS_MAX];
	int                 code;

	if (!passwd_name_is_valid(name))
		return output_complain(EX_DATAERR, "user add",
		    "a name has 1 to 31 of a-z 0-9 - _ . and begins with a-z or _");
	if (!paths_get(f->config, PATH_HOME, name, home))
		return output_complain(
		    EX_CANTCREAT, "user add", "the path is too long");
	if (!find_owner(&entry))
		return output_complain(EX_CONFIG, "account _ampelmail is missing",
		    "contrib/sysusers/create makes it");
	code = user_files_lock(f);
	if (code != 0)
		return code;
	if (passwd_find(buf_bytes(&f->passwd_text), name, &old))
		return output_complain(
		    EX_CANTCREAT, "user add", "there is a user of that name");
	entry.home = bytes_of(home);
	return add_with_home(f, &entry, home);
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

/* From passwd first: killed between the two, there is a password of nobody. */
static int
remove_lines(struct user_files *f, struct bytes name)
{
	struct buf content;
	int        code;

	buf_init(&content, PASSWD_FILE_MAX + 1);
	add_others(&content, buf_bytes(&f->passwd_text), name);
	code = user_files_replace_passwd(f, &content);
	buf_finish(&content);
	return code != 0 ? code : user_password_remove(f, name);
}

static int
remove_user(struct user_files *f, struct bytes name)
{
	struct passwd_entry entry;
	int                 code = user_files_lock(f);

	if (code != 0)
		return code;
	if (!passwd_find(buf_bytes(&f->passwd_text), name, &entry))
		return output_complain(EX_NOUSER, "user remove", "no such user");
	code = remove_lines(f, name);
	if (code == 0)
		printf("%.*s: removed; the mail stays in %.*s\n",
		    BYTES_ARG(name), BYTES_ARG(entry.home));
	return code;
}

/* --- the command --- */

static const struct {
	const char *verb;
	int (*run)(struct user_files *f, struct bytes name);
} of_one[] = {
	{ "add", add },
	{ "remove", remove_user },
	{ "passwd", user_password_set },
	{ "check", user_password_check },
};

static int
dispatch(struct user_files *f, const struct command *c)
{
	int  last = c->argc - 1;
	bool force = c->argc == 3 && strcmp(c->argv[1], "--force") == 0;

	for (size_t i = 0; i < sizeof of_one / sizeof of_one[0]; i++)
		if (c->argc == 2 && strcmp(c->argv[0], of_one[i].verb) == 0)
			return of_one[i].run(f, bytes_of(c->argv[1]));
	if (c->argc == 1 && strcmp(c->argv[0], "list") == 0)
		return user_list(f, c->json);
	if ((c->argc == 2 || force) && strcmp(c->argv[0], "import-shadow") == 0)
		return user_import(f, c->argv[last], force);
	fprintf(stderr, "usage: ampel user add NAME | remove NAME | list | "
	    "passwd NAME | check NAME | import-shadow [--force] FILE\n");
	return EX_USAGE;
}

static int
run(const struct config *config, const struct command *c)
{
	struct user_files files;
	int               code;

	if (config->users == USERS_SYSTEM)
		return output_complain(EX_CONFIG, "users = system",
		    "the users of this host have mailboxes, add and remove them "
		    "there");
	code = user_files_open(&files, config);
	if (code == 0)
		code = dispatch(&files, c);
	user_files_close(&files);
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
