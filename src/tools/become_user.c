#include "tools/become_user.h"

#include <grp.h>
#include <stdlib.h>
#include <unistd.h>

static bool
set_groups(const struct user *user)
{
	if (user->is_of_host)
		return initgroups(user->name, user->gid) == 0;
	return setgroups(1, &user->gid) == 0;
}

/* And root cannot be had back. */
static bool
is_only(const struct user *user)
{
	uid_t uid, euid, suid;
	gid_t gid, egid, sgid;

	return getresuid(&uid, &euid, &suid) == 0 && uid == user->uid &&
	    euid == uid && suid == uid && getresgid(&gid, &egid, &sgid) == 0 &&
	    gid == user->gid && egid == gid && sgid == gid && setuid(0) == -1;
}

bool
become_user(const struct user *user)
{
	/* without root there is only one whom we can become: ourselves */
	if (geteuid() == 0 && !set_groups(user))
		return false;
	if (setgid(user->gid) == -1 || setuid(user->uid) == -1 || !is_only(user))
		return false;
	return setenv("USER", user->name, 1) == 0 &&
	    setenv("HOME", user->home, 1) == 0 &&
	    setenv("SHELL", user->shell, 1) == 0 && chdir(user->home) == 0;
}
