#include "deliver/home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/memfile.h"
#include "proto/dot_qmail.h"

enum { OTHERS_MAY_WRITE = S_IWGRP | S_IWOTH };

/* --- the home --- */

static bool
is_ours(const struct stat *st)
{
	return st->st_uid == geteuid() || st->st_uid == 0;
}

/* NULL: it can be trusted. */
static const char *
distrust_home(const struct stat *st)
{
	if (!is_ours(st))
		return "belongs to somebody else";
	if (st->st_mode & OTHERS_MAY_WRITE)
		return "may be written by its group or others";
	/* qmail's sign: its user is changing his .qmail files */
	if (st->st_mode & S_ISVTX)
		return "is sticky: its .qmail files are being edited";
	return NULL;
}

/* The way to it is the administrator's and may have links. */
static int
open_path(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int
home_open(const char *path, char why[HOME_TEXT])
{
	struct stat st;
	const char *distrust;
	int         fd = open_path(path);

	if (fd == -1) {
		snprintf(why, HOME_TEXT, "the home folder: %s", strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) == -1)
		distrust = strerror(errno);
	else
		distrust = distrust_home(&st);
	if (distrust == NULL)
		return fd;
	snprintf(why, HOME_TEXT, "the home folder %s", distrust);
	close(fd);
	return -1;
}

/* --- .qmail files --- */

/* NULL: it can be trusted. */
static const char *
distrust_file(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "is no regular file";
	if (!is_ours(st))
		return "belongs to somebody else";
	if (st->st_mode & OTHERS_MAY_WRITE)
		return "may be written by its group or others";
	if (st->st_size > DOT_QMAIL_MAX)
		return "is too large";
	return NULL;
}

/* NULL, or why not. Nothing is read of what is not trusted. */
static const char *
read_file(int fd, struct home_qmail *file, struct buf *content)
{
	struct stat st;
	const char *distrust;

	if (fstat(fd, &st) == -1)
		return strerror(errno);
	distrust = distrust_file(&st);
	if (distrust != NULL)
		return distrust;
	file->forward_only = (st.st_mode & S_IXUSR) != 0;
	if (memfile_read(fd, 0, content) == -1)
		return content->failed ? "is too large" : strerror(errno);
	return NULL;
}

/* O_NONBLOCK: a FIFO does not hold us up. */
static enum home_file
try_file(int home, struct home_qmail *file, struct buf *content,
    char why[HOME_TEXT])
{
	const char *problem;
	int fd = openat(home, file->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd == -1 && errno == ENOENT)
		return HOME_FILE_NONE;
	if (fd == -1) {
		problem = errno == ELOOP ? "is a symbolic link"
		                         : strerror(errno);
	} else {
		problem = read_file(fd, file, content);
		close(fd);
	}
	if (problem == NULL)
		return HOME_FILE_FOUND;
	snprintf(why, HOME_TEXT, "%.64s: %s", file->name, problem);
	return HOME_FILE_UNUSABLE;
}

/* ".qmail-list-default" was found by its own name: it ends so all the same. */
static void
note_default(struct home_qmail *file, struct bytes ext)
{
	const struct bytes end = BYTES("default");
	struct bytes       last;

	if (ext.n < end.n)
		return;
	last = bytes_from(ext, ext.n - end.n);
	file->has_default = bytes_equal_nocase(last, end);
	if (file->has_default)
		file->matched = last;
}

enum home_file
home_read(int home, struct bytes dash, struct bytes ext,
    struct home_qmail *file, struct buf *content, char why[HOME_TEXT])
{
	unsigned step = 0;

	while (dot_qmail_next_name(
	    dash, ext, &step, file->name, &file->matched)) {
		enum home_file found = try_file(home, file, content, why);

		/* the first step is the name itself */
		file->has_default = step > 1;
		if (!file->has_default)
			note_default(file, ext);
		if (found != HOME_FILE_NONE)
			return found;
	}
	return HOME_FILE_NONE;
}

enum extension_answer
home_has_extension(const char *path, struct bytes dash, struct bytes ext)
{
	enum extension_answer answer = EXTENSION_NO;
	char                  name[256];
	struct bytes          matched;
	struct stat           st;
	unsigned              step = 0;
	int                   home = open_path(path);

	if (home == -1)
		return EXTENSION_TRY_LATER;
	while (answer == EXTENSION_NO &&
	    dot_qmail_next_name(dash, ext, &step, name, &matched)) {
		if (fstatat(home, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			answer = EXTENSION_YES;
		else if (errno != ENOENT)
			answer = EXTENSION_TRY_LATER;
	}
	close(home);
	return answer;
}
