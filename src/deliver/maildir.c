#include "deliver/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

static void
close_quietly(int fd)
{
	int error = errno;

	if (fd != -1)
		close(fd);
	errno = error;
}

/* A folder below parent, made where there is none. -1 with errno. */
static int
open_folder(int parent, const char *name)
{
	int fd = openat(parent, name, FOLDER_FLAGS);

	if (fd != -1 || errno != ENOENT)
		return fd;
	if (mkdirat(parent, name, 0700) == -1 && errno != EEXIST)
		return -1;
	if (fsync(parent) == -1)
		return -1;
	return openat(parent, name, FOLDER_FLAGS);
}

/* Maildir++ marks a folder that is not the inbox; nobody needs it to read mail. */
static void
mark_subfolder(int folder)
{
	int fd = openat(folder, "maildirfolder",
	    O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd != -1)
		close(fd);
}

static int
open_subfolder(int inbox, const char *name)
{
	char dotted[NAME_MAX + 1];
	int  n = snprintf(dotted, sizeof dotted, ".%s", name);
	int  fd;

	if (n < 0 || (size_t)n >= sizeof dotted) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open_folder(inbox, dotted);
	if (fd != -1)
		mark_subfolder(fd);
	return fd;
}

static int
inode_of(int fd, struct maildir_inode *out)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	*out = (struct maildir_inode){ st.st_dev, st.st_ino };
	return 0;
}

/*
 * These write all that is dirty, wait for it, flush the disk, and report what went
 * wrong (since Linux 5.8). Others, FUSE say, never hear of a syncfs.
 */
static bool
is_syncfs_enough(int fd)
{
	enum { XFS_MAGIC = 0x58465342 };
	struct statfs st;

	if (fstatfs(fd, &st) == -1)
		return false;
	return st.f_type == EXT4_SUPER_MAGIC || st.f_type == XFS_MAGIC ||
	    st.f_type == BTRFS_SUPER_MAGIC;
}

/* tmp, new and cur; the last is only made, it is read when it must be. */
static int
open_parts(struct maildir *m)
{
	int cur = open_folder(m->folder, "cur");

	if (cur == -1)
		return -1;
	close(cur);
	m->tmp = open_folder(m->folder, "tmp");
	if (m->tmp == -1)
		return -1;
	m->new = open_folder(m->folder, "new");
	if (m->new == -1)
		return -1;
	m->has_syncfs = is_syncfs_enough(m->new);
	if (inode_of(m->tmp, &m->tmp_inode) == -1)
		return -1;
	return inode_of(m->new, &m->new_inode);
}

int
maildir_open(struct maildir *m, int home, const char *subfolder)
{
	*m = (struct maildir){ .tmp = -1, .new = -1 };
	snprintf(m->path, sizeof m->path, "Maildir%s%s", subfolder ? "/." : "",
	    subfolder ? subfolder : "");
	m->folder = open_folder(home, "Maildir");
	if (m->folder != -1 && subfolder) {
		int inbox = m->folder;

		m->folder = open_subfolder(inbox, subfolder);
		close_quietly(inbox);
	}
	if (m->folder != -1 && open_parts(m) == 0)
		return 0;
	maildir_close(m);
	return -1;
}

void
maildir_close(struct maildir *m)
{
	if (m->path[0] == '\0')
		return;
	close_quietly(m->new);
	close_quietly(m->tmp);
	close_quietly(m->folder);
	m->path[0] = '\0';
}

static bool
is_inode(int home, const char *folder, const char *part,
    const struct maildir_inode *inode)
{
	char        path[sizeof ((struct maildir *)0)->path + 8];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", folder, part);
	return fstatat(home, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == inode->device && st.st_ino == inode->number;
}

bool
maildir_is_current(const struct maildir *m, int home)
{
	return m->path[0] != '\0' &&
	    is_inode(home, m->path, "tmp", &m->tmp_inode) &&
	    is_inode(home, m->path, "new", &m->new_inode);
}

/* 1: one was looked for; 0: none; -1 with errno. */
static int
look_in(DIR *dir, maildir_seen *seen, void *context)
{
	struct dirent *entry;
	int            found = 0;

	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL)
			return errno == 0 ? found : -1;
		if (entry->d_name[0] != '.' &&
		    seen(bytes_of(entry->d_name), context))
			found = 1;
	}
}

/* As look_in; with a descriptor of its own, whose place in the list is the start. */
static int
look_in_part(
    struct maildir *m, const char *part, maildir_seen *seen, void *context)
{
	int  fd = openat(m->folder, part, FOLDER_FLAGS);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	int  found, error;

	if (dir == NULL) {
		close_quietly(fd);
		return -1;
	}
	found = look_in(dir, seen, context);
	/* the earlier attempt may have died before it could flush */
	if (found == 1 && fsync(fd) == -1)
		found = -1;
	error = errno;
	closedir(dir);
	errno = error;
	return found;
}

int
maildir_look(struct maildir *m, maildir_seen *seen, void *context)
{
	if (look_in_part(m, "new", seen, context) == -1)
		return -1;
	return look_in_part(m, "cur", seen, context) == -1 ? -1 : 0;
}

int
maildir_sync(struct maildir *m)
{
	if (!m->is_changed)
		return 0;
	m->is_changed = false;
	return fsync(m->new);
}
