#include "io/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Else the next file opened would be our stderr. */
static void
fill_standard_fds(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) != fd)
			abort();
}

void
sandbox_begin(int first_unused)
{
	closefrom(first_unused);
	fill_standard_fds();
	clearenv();
	umask(077);
	signal(SIGPIPE, SIG_IGN);
}

static bool
set_limits(const struct sandbox *s)
{
	const struct rlimit no_core = { 0, 0 };
	struct rlimit       files;

	if (setrlimit(RLIMIT_CORE, &no_core) == -1 ||
	    getrlimit(RLIMIT_NOFILE, &files) == -1)
		return false;
	/* Who may not go above the maximum takes what there is. */
	if (s->open_files > files.rlim_max) {
		const struct rlimit more = { s->open_files, s->open_files };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return true;
	} else {
		files.rlim_max = s->open_files;
	}
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) == 0;
}

static bool
become(const struct sandbox *s)
{
	return setgroups(0, NULL) == 0 && setresgid(s->gid, s->gid, s->gid) == 0 &&
	    setresuid(s->uid, s->uid, s->uid) == 0;
}

/* The kernel is asked, not trusted to have done what was said. */
static bool
has_become(const struct sandbox *s)
{
	uid_t real_uid, uid, saved_uid;
	gid_t real_gid, gid, saved_gid;

	return getresuid(&real_uid, &uid, &saved_uid) == 0 &&
	    getresgid(&real_gid, &gid, &saved_gid) == 0 && real_uid == s->uid &&
	    uid == s->uid && saved_uid == s->uid && real_gid == s->gid &&
	    gid == s->gid && saved_gid == s->gid && getgroups(0, NULL) == 0;
}

static bool
can_be_root_again(void)
{
	return setuid(0) != -1 || seteuid(0) != -1 || setgid(0) != -1 ||
	    setegid(0) != -1;
}

static bool
fail(char *error, size_t size, const char *what)
{
	snprintf(error, size, "%s: %s", what, strerror(errno));
	return false;
}

static bool
fail_text(char *error, size_t size, const char *text)
{
	snprintf(error, size, "%s", text);
	return false;
}

static bool
drop(const struct sandbox *s, char *error, size_t size)
{
	if (s->uid == 0 || s->gid == 0)
		return fail_text(error, size, "will not run as root");
	if (s->root && (chroot(s->root) == -1 || chdir("/") == -1))
		return fail(error, size, s->root);
	if (!become(s))
		return fail(error, size, "cannot change user");
	if (!has_become(s))
		return fail_text(error, size, "the change of user did not happen");
	if (can_be_root_again())
		return fail_text(error, size, "root privileges can be had back");
	return true;
}

bool
sandbox_enter(const struct sandbox *s, char *error, size_t size)
{
	if (s->root && !s->drop)
		return fail_text(error, size, "a root folder needs a user to become");
	if (!set_limits(s))
		return fail(error, size, "cannot set limits");
	if (s->drop && !drop(s, error, size))
		return false;
	/* Behind the change of user, which sets it anew. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return fail(error, size, "cannot become undumpable");
	if (!s->may_gain_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return fail(error, size, "cannot renounce new privileges");
	return true;
}
