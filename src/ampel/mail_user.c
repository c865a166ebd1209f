#include "ampel/mail_user.h"

#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "ampel/supervisor.h"
#include "io/file.h"
#include "mail/paths.h"
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

enum want_result
mail_user_find(const struct supervisor *s, struct bytes user,
    struct mail_user *out, const char **why)
{
	enum want_result result;

	*why = "no user name";
	if (!passwd_name_is_valid(user))
		return WANT_NO_USER;
	result = s->config->users == USERS_SYSTEM
	    ? find_in_system(user, out)
	    : find_in_file(s->config, user, out);
	*why = result == WANT_NO_USER ? "no such user"
	                              : "the user file cannot be read";
	if (result != WANT_READY)
		return result;
	if (out->uid == 0 || out->gid == 0) {
		*why = "nobody reads or writes mail as root";
		return WANT_NO_USER;
	}
	if (!s->is_root && out->uid != getuid()) {
		*why = "started without root, cannot become this user";
		return WANT_FAILED;
	}
	return WANT_READY;
}
