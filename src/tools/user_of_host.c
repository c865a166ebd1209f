#include "tools/user_of_host.h"

#include <errno.h>
#include <pwd.h>
#include <shadow.h>
#include <string.h>

#include "io/clock.h"
#include "proto/shadow.h"

/* getpwnam(3) lists what errno is for a name that is not there. */
static bool
is_absence(int error)
{
	return error == 0 || error == ENOENT || error == ESRCH || error == EBADF ||
	    error == EPERM;
}

static bool
take_hash(struct user *user, const struct passwd *pw)
{
	const struct spwd  *sp;
	struct shadow_entry entry = { .hash = bytes_of(pw->pw_passwd) };

	errno = 0;
	sp = getspnam(pw->pw_name);
	if (sp == NULL && errno == EACCES)
		return false; /* we are not root */
	if (sp != NULL) {
		entry.hash = bytes_of(sp->sp_pwdp);
		entry.expires = sp->sp_expire != -1;
		entry.expire_day = sp->sp_expire < 0 ? 0 : (uint64_t)sp->sp_expire;
	}
	user->may_enter = shadow_is_open(&entry, clock_today());
	return bytes_to_string(entry.hash, user->hash, sizeof user->hash);
}

bool
user_of_host(struct user *user, struct bytes name)
{
	const struct passwd *pw;
	char                 string[USER_NAME_MAX];

	if (!bytes_to_string(name, string, sizeof string))
		return true; /* nobody's name is so long */
	errno = 0;
	pw = getpwnam(string);
	if (pw == NULL)
		return is_absence(errno);
	user->is_of_host = true;
	user->uid = pw->pw_uid;
	user->gid = pw->pw_gid;
	return user_set(user, bytes_of(pw->pw_name), bytes_of(pw->pw_dir),
	           bytes_of(pw->pw_shell)) &&
	    take_hash(user, pw);
}
