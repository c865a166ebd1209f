#include "ampel/mail_user.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <unistd.h>

#include "ampel/supervisor.h"
#include "io/file.h"
#include "mail/assignments.h"
#include "mail/paths.h"
#include "proto/assign.h"
#include "proto/passwd.h"

enum { PASSWD_MAX = 64 * 1024 * 1024 };

static bool
take_entry(const struct passwd_entry *entry, struct mail_user *out)
{
	out->uid = entry->uid;
	out->gid = entry->gid;
	return bytes_to_string(entry->home, out->home, sizeof out->home);
}

static enum want_result
find_in_file(
    const struct config *config, struct bytes user, struct mail_user *out)
{
	char                path[PATHS_MAX];
	struct buf          text;
	struct passwd_entry entry;
	enum want_result    result = WANT_NO_USER;

	buf_init(&text, PASSWD_MAX);
	if (!paths_get(config, PATH_PASSWD, BYTES(""), path))
		result = WANT_FAILED;
	else if (file_read(path, &text, NULL) != 0)
		result = errno == ENOENT ? WANT_NO_USER : WANT_FAILED;
	else if (passwd_find(buf_bytes(&text), user, &entry) &&
	    take_entry(&entry, out))
		result = WANT_READY;
	buf_finish(&text);
	return result;
}

static enum want_result
find_in_system(struct bytes user, struct mail_user *out)
{
	char           name[64];
	struct passwd *pw;

	if (!bytes_to_string(user, name, sizeof name))
		return WANT_NO_USER;
	errno = 0;
	pw = getpwnam(name); /* one thread, and no other caller */
	if (pw == NULL)
		return errno == 0 || errno == ENOENT ? WANT_NO_USER : WANT_FAILED;
	out->uid = pw->pw_uid;
	out->gid = pw->pw_gid;
	return bytes_to_string(bytes_of(pw->pw_dir), out->home, sizeof out->home)
	    ? WANT_READY
	    : WANT_NO_USER;
}

/* --- users --- */

/* Whether we may become him, and want to. */
static enum want_result
check(const struct supervisor *s, const struct mail_user *user, const char **why)
{
	if (user->uid == 0 || user->gid == 0) {
		*why = "nobody reads or writes mail as root";
		return WANT_NO_USER;
	}
	if (!s->is_root && user->uid != getuid()) {
		*why = "started without root, cannot become this user";
		return WANT_FAILED;
	}
	return WANT_READY;
}

enum want_result
mail_user_find(const struct supervisor *s, struct bytes user,
    struct mail_user *out, const char **why)
{
	enum want_result result;

	*why = "no user name";
	if (!passwd_name_is_valid(user) ||
	    !bytes_to_string(user, out->login, sizeof out->login))
		return WANT_NO_USER;
	result = s->config->users == USERS_SYSTEM
	    ? find_in_system(user, out)
	    : find_in_file(s->config, user, out);
	*why = result == WANT_NO_USER ? "no such user"
	                              : "the user file cannot be read";
	return result == WANT_READY ? check(s, out, why) : result;
}

/* --- assignments --- */

static bool
is_assignment_key(struct bytes name)
{
	return name.n > 0 && name.n <= DIRECTORY_USER_MAX &&
	    (name.p[0] == '=' || name.p[0] == '+') &&
	    bytes_find(name, '\0') == name.n;
}

static bool
take_assignment(const struct assignment *from, struct mail_user *out)
{
	out->uid = from->uid;
	out->gid = from->gid;
	return bytes_to_string(from->home, out->home, sizeof out->home) &&
	    bytes_to_string(from->user, out->login, sizeof out->login);
}

static enum want_result
find_assignment(const struct config *config, struct bytes key,
    struct mail_user *out, const char **why)
{
	char              path[PATH_MAX];
	struct buf        content;
	struct assignment found;
	enum want_result  result = WANT_FAILED;

	*why = "no such assignment";
	if (config->assign.n == 0)
		return WANT_FAILED;
	buf_init(&content, ASSIGNMENTS_FILE_MAX);
	if (!bytes_to_string(config->assign, path, sizeof path) ||
	    file_read(path, &content, NULL) != 0)
		*why = "the file of assignments cannot be read";
	else if (assign_find_one(buf_bytes(&content), key, &found) &&
	    take_assignment(&found, out))
		result = WANT_READY;
	buf_finish(&content);
	return result;
}

enum want_result
mail_user_find_recipient(const struct supervisor *s, struct bytes name,
    struct mail_user *out, const char **why)
{
	enum want_result result;

	if (!is_assignment_key(name))
		return mail_user_find(s, name, out, why);
	result = find_assignment(s->config, name, out, why);
	return result == WANT_READY ? check(s, out, why) : result;
}
