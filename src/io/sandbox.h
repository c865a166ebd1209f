/*
 * Giving up what a process does not need. Called once, by every child, before it is
 * given a socket.
 */
#ifndef AMPEL_IO_SANDBOX_H
#define AMPEL_IO_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox {
	bool        drop;       /* become uid and gid; else stay the caller */
	uint32_t    uid, gid;   /* never 0 when drop */
	const char *root;       /* chroot there (needs drop); NULL: no */
	uint64_t    open_files; /* RLIMIT_NOFILE */
	bool        may_gain_privileges; /* no no_new_privs */
};

/*
 * First thing in main: descriptors from first_unused on closed, environment emptied but for
 * what is needed (TZ, LANG are not), umask 077, SIGPIPE ignored.
 */
void sandbox_begin(int first_unused);

/*
 * Drop: limits (no core dumps), chroot and chdir, groups, gid, uid; then checks that
 * all three uids and gids are what they should be and that root cannot be had back;
 * PR_SET_DUMPABLE 0, no_new_privs. False with a line in error; the process
 * must then end. Call it before the first thread starts: no_new_privs is a thread's.
 */
bool sandbox_enter(const struct sandbox *s, char *error, size_t size);

#endif
