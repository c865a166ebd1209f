#include "deliver/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "deliver/beneath.h"

enum { FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

static void
close_quietly(int fd)
{
	int error = errno;

	if (fd != -1)
		close(fd);
	errno = error;
}

/*
 * Open a folder in another, making it when it is missing. What was made is on disk
 * before anything in it is called delivered.
 */
static int
open_below(int parent, const char *name)
{
	int fd = openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);

	if (fd != -1 || errno != ENOENT)
		return fd;
	if (mkdirat(parent, name, 0700) == -1 && errno != EEXIST)
		return -1;
	if (fsync(parent) == -1)
		return -1;
	return openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);
}

/* Maildir++: the file that says this is a folder and no mailbox of its own. */
static int
mark_as_folder(int root)
{
	int fd = openat(root, "maildirfolder",
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd == -1)
		return errno == EEXIST ? 0 : -1;
	close(fd);
	return 0;
}

/* Maildir/.NAME in an open Maildir. */
static int
open_named(int maildir, struct bytes name)
{
	char file[NAME_MAX + 1];
	int  fd;

	if (name.n >= NAME_MAX || bytes_find(name, '/') != name.n ||
	    bytes_find(name, '\0') != name.n || bytes_start(name, BYTES("."))) {
		errno = EINVAL;
		return -1;
	}
	snprintf(file, sizeof file, ".%.*s", BYTES_ARG(name));
	fd = open_below(maildir, file);
	if (fd != -1 && mark_as_folder(fd) == -1) {
		close_quietly(fd);
		return -1;
	}
	return fd;
}

static int
open_root(const char *home, struct bytes name, const char **what)
{
	int home_fd, maildir, root;

	/* the way to the home is the administrator's and may have links */
	*what = "the home folder";
	home_fd = open(home, FOLDER_FLAGS);
	if (home_fd == -1)
		return -1;
	*what = "Maildir";
	maildir = open_below(home_fd, "Maildir");
	close_quietly(home_fd);
	if (maildir == -1 || name.n == 0)
		return maildir;
	*what = "the folder in Maildir";
	root = open_named(maildir, name);
	close_quietly(maildir);
	return root;
}

static int
open_existing(int parent, const char *name)
{
	return openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);
}

/* How tmp, new and cur are come by: with open_below, or where they must be there. */
typedef int open_in(int parent, const char *name);

static int
open_part(struct folder *f, const char *name, open_in *open_it, int *fd,
    struct inode *inode)
{
	struct stat st;

	*fd = open_it(f->root, name);
	if (*fd == -1 || fstat(*fd, &st) == -1)
		return -1;
	*inode = (struct inode){ st.st_dev, st.st_ino };
	return 0;
}

/*
 * These write what is dirty, wait for it, flush the disk, and report what went wrong
 * (since Linux 5.8). Others, FUSE say, never hear of a syncfs.
 */
static bool
is_syncfs_enough(int fd)
{
	enum { XFS_MAGIC = 0x58465342 };
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
	    (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_MAGIC ||
	        fs.f_type == BTRFS_SUPER_MAGIC);
}

static char *
path_of(const char *home, struct bytes name, const char *part)
{
	char *path;

	if (asprintf(&path, "%s/Maildir/%s%.*s/%s", home, name.n > 0 ? "." : "",
	        BYTES_ARG(name), part) == -1)
		return NULL;
	return path;
}

static int
open_parts(struct folder *f, open_in *open_it, const char **what)
{
	int cur;

	*what = "Maildir/tmp";
	if (open_part(f, "tmp", open_it, &f->tmp, &f->tmp_inode) == -1)
		return -1;
	*what = "Maildir/cur";
	cur = open_it(f->root, "cur");
	if (cur == -1)
		return -1;
	close(cur);
	*what = "Maildir/new";
	if (open_part(f, "new", open_it, &f->new, &f->new_inode) == -1)
		return -1;
	f->has_syncfs = is_syncfs_enough(f->new);
	return 0;
}

int
folder_open(struct folder *f, const char *home, struct bytes name,
    const char **what)
{
	*f = (struct folder){ .root = -1, .tmp = -1, .new = -1 };
	f->root = open_root(home, name, what);
	if (f->root == -1 || open_parts(f, open_below, what) == -1)
		goto undo;
	*what = "memory";
	f->tmp_path = path_of(home, name, "tmp");
	f->new_path = path_of(home, name, "new");
	if (f->tmp_path != NULL && f->new_path != NULL)
		return 0;
	errno = ENOMEM;
undo:
	folder_close(f);
	return -1;
}

int
folder_open_beneath(struct folder *f, int home, struct bytes path,
    const char **what)
{
	*f = (struct folder){ .root = -1, .tmp = -1, .new = -1 };
	*what = "the Maildir";
	f->root = beneath_open(home, path, O_RDONLY | O_DIRECTORY, 0);
	if (f->root != -1 && open_parts(f, open_existing, what) == 0)
		return 0;
	folder_close(f);
	return -1;
}

static bool
is_at(const char *path, struct inode inode)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_dev == inode.device &&
	    st.st_ino == inode.number;
}

bool
folder_is_current(const struct folder *f)
{
	return f->new_path != NULL && is_at(f->new_path, f->new_inode) &&
	    is_at(f->tmp_path, f->tmp_inode);
}

int
folder_open_cur(const struct folder *f)
{
	return openat(f->root, "cur", FOLDER_FLAGS | O_NOFOLLOW);
}

void
folder_close(struct folder *f)
{
	if (f->root <= 0)
		return;
	close_quietly(f->root);
	close_quietly(f->tmp);
	close_quietly(f->new);
	free(f->tmp_path);
	free(f->new_path);
	*f = (struct folder){ .root = -1, .tmp = -1, .new = -1 };
}
