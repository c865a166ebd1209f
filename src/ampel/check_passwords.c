#include "ampel/check_named.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ampel/accounts.h"
#include "ampel/check_names.h"
#include "ampel/role.h"
#include "base/buf.h"
#include "io/file.h"
#include "mail/paths.h"
#include "proto/passwd.h"
#include "proto/shadow.h"

/* Whether a listener asks for passwords, and the file has their hashes. */
static bool
is_file_asked(const struct config *config)
{
	return role_is_auth_needed(config) &&
	    bytes_equal(config->password_check, BYTES("file"));
}

/* --- who may read the file --- */

/* ampel-auth's account has no group beside its own. */
static bool
may_read(const struct stat *st, uint32_t uid, uint32_t gid)
{
	if (st->st_uid == uid)
		return (st->st_mode & S_IRUSR) != 0;
	if (st->st_gid == gid)
		return (st->st_mode & S_IRGRP) != 0;
	return (st->st_mode & S_IROTH) != 0;
}

/* It counts only when root starts the server, and the account opens the file. */
static void
check_reader(const struct config *config, const char *path,
    const struct stat *st, struct arena *arena, struct mistakes *mistakes)
{
	char     account[ACCOUNT_NAME], blocked[PATHS_MAX];
	uint32_t uid, gid;

	if (geteuid() != 0 || !is_file_asked(config) ||
	    !account_of(config, ROLE_AUTH, BYTES(""), account) ||
	    !account_find(account, &uid, &gid))
		return; /* a missing account is said by check_accounts */
	if (!may_read(st, uid, gid))
		mistakes_add(mistakes, arena, 0,
		    "%s may not read it: chown root:%s, chmod 640", account,
		    account);
	else if (!account_can_reach(path, uid, gid, blocked, sizeof blocked))
		mistakes_add(mistakes, arena, 0, "%s may not pass %s", account,
		    blocked);
	if (st->st_gid != gid && st->st_gid != 0 &&
	    (st->st_mode & (S_IRGRP | S_IWGRP)))
		mistakes_add(mistakes, arena, 0,
		    "a group that is not %s's may read or change it", account);
}

static void
check_mode(const struct stat *st, struct arena *arena, struct mistakes *mistakes)
{
	if (st->st_mode & (S_IROTH | S_IWOTH))
		mistakes_add(mistakes, arena, 0,
		    "everybody may %s the passwords' hashes: chmod o=",
		    st->st_mode & S_IROTH ? "read" : "change");
}

/* --- what stands in it --- */

static void
check_lines(struct bytes text, struct arena *arena, struct mistakes *mistakes)
{
	struct named_lines  names;
	struct shadow_entry entry;
	unsigned            line = 0;

	if (!named_lines_init(&names, text)) {
		mistakes_add(mistakes, arena, 0, "no memory");
		return;
	}
	while (shadow_next(&text, &entry, &line))
		if (entry.name.n > 0)
			named_lines_add(&names, entry.name, line);
		else
			mistakes_add(mistakes, arena, line,
			    "expected name:hash: and seven more fields, eight "
			    "colons in all");
	named_lines_sort(&names);
	named_lines_check(&names, arena, mistakes);
	named_lines_finish(&names);
}

void
check_shadow(const struct config *config, const char *path, struct arena *arena,
    struct mistakes *mistakes)
{
	struct buf  text;
	struct stat st;

	buf_init(&text, PASSWD_FILE_MAX);
	if (file_read(path, &text, &st) == 0) {
		check_mode(&st, arena, mistakes);
		check_reader(config, path, &st, arena, mistakes);
		check_lines(buf_bytes(&text), arena, mistakes);
	} else if (errno != ENOENT) {
		mistakes_add(mistakes, arena, 0, "cannot be read: %s",
		    strerror(errno));
	}
	buf_wipe(&text);
}

/* --- who is not in it --- */

/* A locked hash is one all the same, and on purpose; "!" alone never was. */
static bool
has_hash(const struct shadow_entry *entry)
{
	struct bytes hash = entry->hash;

	while (hash.n > 0 && (hash.p[0] == '!' || hash.p[0] == '*'))
		hash = bytes_from(hash, 1);
	return hash.n > 0;
}

static void
note_missing(struct bytes passwd, struct bytes shadow, struct arena *arena,
    struct mistakes *notes)
{
	struct named_lines  names;
	struct shadow_entry entry;
	struct passwd_entry user;
	unsigned            line = 0;

	if (!named_lines_init(&names, shadow)) {
		mistakes_add(notes, arena, 0, "note: no memory");
		return;
	}
	while (shadow_next(&shadow, &entry, NULL))
		if (entry.name.n > 0 && has_hash(&entry))
			named_lines_add(&names, entry.name, 0);
	named_lines_sort(&names);
	while (passwd_next(&passwd, &user, &line))
		if (user.name.n > 0 && !named_lines_has(&names, user.name))
			mistakes_add(notes, arena, line,
			    "note: user \"%.*s\" has no password: ampel user "
			    "passwd %.*s", BYTES_ARG(user.name),
			    BYTES_ARG(user.name));
	named_lines_finish(&names);
}

void
check_passwordless(const struct config *config, const char *path,
    struct arena *arena, struct mistakes *notes)
{
	char       shadow_path[PATHS_MAX];
	struct buf passwd, shadow;

	if (config->users != USERS_FILE || !is_file_asked(config) ||
	    !paths_get(config, PATH_SHADOW, BYTES(""), shadow_path))
		return;
	buf_init(&passwd, PASSWD_FILE_MAX);
	buf_init(&shadow, PASSWD_FILE_MAX);
	/* one that cannot be read is a mistake, and said by check_shadow */
	if (file_read(path, &passwd, NULL) == 0 &&
	    (file_read(shadow_path, &shadow, NULL) == 0 || errno == ENOENT))
		note_missing(
		    buf_bytes(&passwd), buf_bytes(&shadow), arena, notes);
	buf_finish(&passwd);
	buf_wipe(&shadow);
}

void
check_system_passwords(
    const struct config *config, struct arena *arena, struct mistakes *warnings)
{
	char path[PATHS_MAX];

	if (config->users == USERS_SYSTEM && is_file_asked(config) &&
	    paths_get(config, PATH_SHADOW, BYTES(""), path) &&
	    access(path, F_OK) == -1 && errno == ENOENT)
		mistakes_add(warnings, arena, 0,
		    "warning: \"password_check\" is file, and there is no %s: "
		    "nobody can log in; pam takes the passwords of this host",
		    path);
}
