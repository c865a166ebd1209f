/*
 * pido(8): writes its own process id into a file and becomes a program, so that any element
 * of a shell pipeline can be found and signalled.
 *
 * The file comes into being beside PIDFILE, complete, and takes its name at once. With -l or -r
 * two that start at the same time never both run:
 *
 *  1. Where there is no PIDFILE the new file is moved there, which one of them can do.
 *  2. Where there is one, only who holds its lock, and then sees that it still has the name, may
 *     put the new file in its place.
 *  3. With -l the new file is locked before it has the name, and stays so.
 *
 * The lock is a record lock of fcntl(2): it belongs to the process, outlives execve(2) as long
 * as the descriptor is open, and is not inherited by children. One of flock(2) would be held on by
 * every child that has the descriptor, long after the program is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number.h"
#include "io/file.h"

enum {
	EXIT_RUNNING = 1,
	EXIT_MISUSED = 100,
	EXIT_TROUBLE = 111,
	EXIT_CANNOT_RUN = 126,
	EXIT_NOT_FOUND = 127,
};

enum {
	HIGH_FD = 200, /* where a program does not expect its own */
	LOW_FD = 3,
	TRIES = 1000,  /* each means that another one got there first, and is gone */
	PID_ROOM = 32,
};

enum claim {
	CLAIM_DONE,
	CLAIM_AGAIN,   /* PIDFILE has changed hands */
	CLAIM_REFUSED, /* another one runs, or starts */
	CLAIM_FOREIGN, /* PIDFILE is something else */
	CLAIM_TROUBLE, /* errno says which */
};

static struct {
	const char *path;
	char        fresh[PATH_MAX]; /* the new file */
	int         fd;              /* of it */
	bool        locks;           /* -l */
	bool        refuses;         /* -r */
	pid_t       other;           /* who runs; 0: not known */
} job;

static int
complain(int code, const char *about, const char *what)
{
	fprintf(stderr, "pido: %s: %s\n", about, what);
	return code;
}

static void
close_quietly(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
}

/* Never 0, 1 or 2, if those are closed: what is written there must not land in the file. */
static int
move_high(int fd)
{
	int high;

	if (fd == -1)
		return -1;
	high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
	if (high == -1 && errno == EINVAL) /* more than the limit */
		high = fcntl(fd, F_DUPFD_CLOEXEC, LOW_FD);
	close_quietly(fd);
	return high;
}

static enum claim
lock(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_SETLK, &whole) == 0)
		return CLAIM_DONE;
	if (errno != EAGAIN && errno != EACCES)
		return CLAIM_TROUBLE;
	if (fcntl(fd, F_GETLK, &whole) == -1)
		return CLAIM_TROUBLE;
	if (whole.l_type == F_UNLCK)
		return CLAIM_AGAIN;
	job.other = whole.l_pid > 0 ? whole.l_pid : 0;
	return CLAIM_REFUSED;
}

/* --- the new file --- */

/* In the folder of PIDFILE, by a name that nobody can foresee. */
static bool
name_fresh(void)
{
	const char *slash = strrchr(job.path, '/');
	int         folder = slash ? (int)(slash + 1 - job.path) : 0;
	int         n = snprintf(job.fresh, sizeof job.fresh, "%.*s.pido-XXXXXX",
	            folder, job.path);

	if (n > 0 && (size_t)n < sizeof job.fresh)
		return true;
	errno = ENAMETOOLONG;
	return false;
}

static bool
fill_fresh(void)
{
	char text[PID_ROOM];
	int  n = snprintf(text, sizeof text, "%ld\n", (long)getpid());

	/* locked first: whoever may read a file may lock it too */
	return (!job.locks || lock(job.fd) == CLAIM_DONE) &&
	    file_write_all(job.fd, (struct bytes){ text, (size_t)n }) == 0 &&
	    fchmod(job.fd, 0644) == 0;
}

static bool
make_fresh(void)
{
	int low;

	if (!name_fresh())
		return false;
	low = mkostemp(job.fresh, O_CLOEXEC);
	if (low == -1)
		return false;
	job.fd = move_high(low);
	return job.fd != -1 && fill_fresh();
}

/* --- its place --- */

static bool
has_the_name(int fd)
{
	struct stat held, named;

	return fstat(fd, &held) == 0 && lstat(job.path, &named) == 0 &&
	    held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* Ended, but nobody has asked for its exit code: so is an element of a pipeline that goes on. */
static bool
is_zombie(pid_t pid)
{
	char        text[128]; /* "PID (NAME) STATE ..." */
	ssize_t     n;
	const char *end;
	int         fd;

	snprintf(text, sizeof text, "/proc/%ld/stat", (long)pid);
	fd = move_high(open(text, O_RDONLY | O_CLOEXEC));
	if (fd == -1)
		return false;
	n = read(fd, text, sizeof text);
	close(fd);
	end = n > 0 ? memrchr(text, ')', (size_t)n) : NULL;
	return end && text + n - end > 2 && end[2] == 'Z';
}

static bool
is_alive(pid_t pid)
{
	return (kill(pid, 0) == 0 || errno != ESRCH) && !is_zombie(pid);
}

/*
 * By the descriptor that has the lock: closing another one of the same file would end it.
 * An empty file is that of nobody; our own number is left from before a restart.
 */
static enum claim
look_for_recorded(int old)
{
	char     text[PID_ROOM];
	ssize_t  n = pread(old, text, sizeof text, 0);
	uint64_t pid;

	if (n <= 0)
		return n == 0 ? CLAIM_DONE : CLAIM_TROUBLE;
	if (text[n - 1] == '\n')
		n--;
	if (!number_parse((struct bytes){ text, (size_t)n }, INT32_MAX, &pid) ||
	    pid == 0)
		return CLAIM_FOREIGN;
	if ((pid_t)pid == getpid() || !is_alive((pid_t)pid))
		return CLAIM_DONE;
	job.other = (pid_t)pid;
	return CLAIM_REFUSED;
}

static enum claim
take_over(int old)
{
	enum claim claim = lock(old);

	if (claim != CLAIM_DONE)
		return claim;
	if (!has_the_name(old))
		return CLAIM_AGAIN;
	if (job.refuses)
		claim = look_for_recorded(old);
	if (claim != CLAIM_DONE)
		return claim;
	return rename(job.fresh, job.path) == 0 ? CLAIM_DONE : CLAIM_TROUBLE;
}

static enum claim
claim_name(void)
{
	enum claim claim;
	int        old;

	old = move_high(open(job.path,
	    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
	if (old != -1) {
		claim = take_over(old);
		close_quietly(old);
		return claim;
	}
	if (errno != ENOENT)
		return CLAIM_TROUBLE;
	if (file_move(AT_FDCWD, job.fresh, AT_FDCWD, job.path) == 0)
		return CLAIM_DONE;
	return errno == EEXIST ? CLAIM_AGAIN : CLAIM_TROUBLE;
}

/* Root could put its file in the place of /dev/null. A symbolic link is replaced itself. */
static bool
is_foreign(void)
{
	struct stat named;

	return lstat(job.path, &named) == 0 && !S_ISREG(named.st_mode) &&
	    !S_ISLNK(named.st_mode);
}

static enum claim
publish(void)
{
	enum claim claim = CLAIM_AGAIN;

	if (is_foreign())
		return CLAIM_FOREIGN;
	if (!job.locks && !job.refuses)
		return rename(job.fresh, job.path) == 0
		    ? CLAIM_DONE
		    : CLAIM_TROUBLE;
	for (int i = 0; i < TRIES && claim == CLAIM_AGAIN; i++)
		claim = claim_name();
	if (claim == CLAIM_AGAIN) {
		errno = EBUSY;
		return CLAIM_TROUBLE;
	}
	return claim;
}

/* --- the story --- */

static int
refuse(void)
{
	char what[64];

	if (job.other == 0)
		return complain(EXIT_RUNNING, job.path, "is locked");
	snprintf(what, sizeof what, "process %ld is running",
	    (long)job.other);
	return complain(EXIT_RUNNING, job.path, what);
}

/* 0, or the exit code. */
static int
write_pidfile(void)
{
	enum claim claim = make_fresh() ? publish() : CLAIM_TROUBLE;
	int        error = errno;

	if (claim == CLAIM_DONE)
		return 0;
	if (job.fd != -1)
		unlink(job.fresh);
	if (claim == CLAIM_REFUSED)
		return refuse();
	return complain(EXIT_TROUBLE, job.path,
	    claim == CLAIM_FOREIGN ? "is not a file with a process id"
	                           : strerror(error));
}

/* Comes back only when that fails. The file then names nobody, and goes. */
static int
become(char **argv)
{
	int error;

	if (!job.locks || fcntl(job.fd, F_SETFD, 0) == 0)
		execvp(argv[0], argv);
	error = errno;
	if (has_the_name(job.fd))
		unlink(job.path);
	return complain(error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN,
	    argv[0], strerror(error));
}

int
main(int argc, char **argv)
{
	int option, code;

	opterr = 0;
	job.fd = -1;
	while ((option = getopt(argc, argv, "+lr")) != -1)
		switch (option) {
		case 'l': job.locks = true; break;
		case 'r': job.refuses = true; break;
		default: optind = argc; break;
		}
	if (argc - optind < 2) {
		fputs("usage: pido [-lr] pidfile program [argument ...]\n",
		    stderr);
		return EXIT_MISUSED;
	}
	job.path = argv[optind];
	code = write_pidfile();
	return code ? code : become(argv + optind + 1);
}
