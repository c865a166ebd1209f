#include "tools/user.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "mail/config.h"
#include "mail/paths.h"
#include "tools/user_of_file.h"
#include "tools/user_of_host.h"

/* Of the group root, too, as with uid 0: nobody is to become it by a password. */
static bool
is_root(const struct user *user)
{
	return user->uid == 0 || user->gid == 0;
}

bool
user_find(struct user *user, struct bytes name)
{
	/* for a trial; gives nothing to a program that is set-uid */
	struct config config = { .root = bytes_of(secure_getenv("AMPEL_ROOT")) };
	char          passwd[PATHS_MAX], shadow[PATHS_MAX];
	struct stat   st;
	bool          is_found;

	*user = (struct user){ 0 };
	if (!paths_get(&config, PATH_PASSWD, BYTES(""), passwd) ||
	    !paths_get(&config, PATH_SHADOW, BYTES(""), shadow))
		return false;
	if (stat(passwd, &st) == 0)
		is_found = user_of_file(user, name, passwd, shadow);
	else
		is_found = errno == ENOENT && user_of_host(user, name);
	if (is_root(user))
		user->may_enter = false;
	return is_found;
}

bool
user_set(struct user *user, struct bytes name, struct bytes home, struct bytes shell)
{
	/* passwd(5): an empty shell is this one */
	if (shell.n == 0)
		shell = BYTES("/bin/sh");
	return bytes_to_string(name, user->name, sizeof user->name) &&
	    bytes_to_string(home, user->home, sizeof user->home) &&
	    bytes_to_string(shell, user->shell, sizeof user->shell);
}
