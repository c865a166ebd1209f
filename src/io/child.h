/*
 * A child process: posix_spawn (never fork), a pidfd under uv_poll, waitid. Default
 * signals, an empty signal mask, a process group of its own, and exactly the descriptors
 * that are named.
 */
#ifndef AMPEL_IO_CHILD_H
#define AMPEL_IO_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

enum { CHILD_FDS_MAX = 16 };

struct child;

struct child_spec {
	const char        *path;   /* absolute: PATH is not searched */
	const char *const *argv;   /* ends with NULL */
	const char *const *env;    /* ends with NULL; NULL: an empty one */
	const int         *fds;    /* the child's 0, 1, 2, ...; -1: /dev/null */
	size_t             n_fds;  /* at most CHILD_FDS_MAX */
	const int         *folder; /* where it starts, O_PATH will do; NULL: where we are */
	uint64_t           open_files; /* RLIMIT_NOFILE, soft, below ours; 0: ours */
};

/* How it ended: a code from exit, or a signal. */
struct child_end {
	bool exited; /* else killed by signal `code` */
	int  code;
};

typedef void child_ended(struct child *child, struct child_end end, void *context);

/*
 * Start; the callback comes once, from the loop, when it has ended and was reaped.
 * NULL with errno. The descriptors stay the caller's.
 */
struct child *child_start(uv_loop_t *loop, const struct child_spec *spec,
    child_ended *ended, void *context);

pid_t child_pid(const struct child *child);
/* To the process, by its pidfd. Calm when it has ended. */
void  child_signal(struct child *child, int signal);
/* To its whole process group; also when the leader itself is gone but not reaped. */
void  child_signal_group(struct child *child, int signal);
/*
 * Free it, after `ended` or before: then it is killed with its group and reaped, and
 * the callback does not come. NULL is allowed.
 */
void  child_close(struct child *child);

#endif
