/*
 * A disk that fails, to be preloaded. Calls that change files or folders below
 * FAULT_FOLDER are counted; at number FAULT_AT the process ends, in one of the ways
 * of FAULT_MODE:
 *
 *     kill   before the call
 *     torn   the same, but of a write the first part is done
 *     lost   as a power cut: of what was not flushed, each write is lost, torn or
 *            kept, by chance (FAULT_SEED; 0: all is lost). New, renamed and removed
 *            names of a folder that was not flushed are lost from some point on.
 *
 * Without FAULT_AT nothing happens; the number of calls goes to FAULT_COUNT at the
 * end. For `lost` every file is kept in memory as it is on the disk, beside the list
 * of changes since its last flush. A removed file is only moved to FAULT_GRAVES until
 * its folder is flushed. One thread only.
 */
#undef _FILE_OFFSET_BITS /* both names of a call are defined here */
#undef _FORTIFY_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILES = 512, NAMES = 512, DESCRIPTORS = 1024, SECTOR = 512 };

/* Not flushed yet: a write, or a new size. */
struct change {
	struct change *next;
	uint64_t       offset; /* the new size when there is no data */
	size_t         n;
	char          *data;
};

struct file {
	ino_t          inode;
	int            fd; /* our own, for the end */
	char          *disk;
	size_t         n;
	struct change *first, *last;
};

enum name_kind { CREATED, RENAMED, REMOVED, FOLDER };

/* Not flushed yet. Paths are absolute. */
struct name {
	enum name_kind kind;
	char           path[PATH_MAX], other[PATH_MAX];
};

static struct {
	bool        is_ready;
	char        folder[PATH_MAX];
	size_t      folder_n;
	const char *mode;
	unsigned    at, count, graves;
	uint32_t    seed;
	struct file files[FILES];
	size_t      n_files;
	struct file *open[DESCRIPTORS]; /* by descriptor */
	struct name names[NAMES];
	size_t      n_names;
} shim;

static void
broken(const char *why)
{
	fprintf(stderr, "shim: %s\n", why);
	_exit(99);
}

static void
start(void)
{
	const char *folder = getenv("FAULT_FOLDER");
	const char *at = getenv("FAULT_AT");
	const char *seed = getenv("FAULT_SEED");

	if (shim.is_ready)
		return;
	shim.is_ready = true;
	shim.mode = getenv("FAULT_MODE");
	if (folder == NULL || shim.mode == NULL)
		broken("FAULT_FOLDER and FAULT_MODE are needed");
	snprintf(shim.folder, sizeof shim.folder, "%s", folder);
	shim.folder_n = strlen(shim.folder);
	shim.at = at ? (unsigned)strtoul(at, NULL, 10) : 0;
	shim.seed = seed ? (uint32_t)strtoul(seed, NULL, 10) : 0;
}

__attribute__((destructor)) static void
tell_count(void)
{
	const char *path = getenv("FAULT_COUNT");
	FILE       *f = path ? fopen(path, "w") : NULL;

	if (f == NULL)
		return;
	fprintf(f, "%u\n", shim.count);
	fclose(f);
}

static uint32_t
below(uint32_t n)
{
	shim.seed = shim.seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)shim.seed * n >> 32);
}

static bool
is_lost_mode(void)
{
	return strcmp(shim.mode, "lost") == 0;
}

/* ---- paths ---- */

static bool
is_ours(const char *path)
{
	return strncmp(path, shim.folder, shim.folder_n) == 0 &&
	    (path[shim.folder_n] == '/' || path[shim.folder_n] == '\0');
}

/* The absolute path of name in the folder fd. */
static bool
path_at(int fd, const char *name, char *out)
{
	char    link[64], base[PATH_MAX] = "";
	ssize_t n;

	start();
	if (name[0] != '/') {
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		n = fd == AT_FDCWD ?
		    (getcwd(base, sizeof base) ? (ssize_t)strlen(base) : -1) :
		    readlink(link, base, sizeof base - 1);
		if (n < 0)
			return false;
		base[n] = '\0';
	}
	if (snprintf(out, PATH_MAX, "%s%s%s", base, base[0] ? "/" : "", name) >=
	    PATH_MAX)
		return false;
	return is_ours(out);
}

/* ---- what is on the disk ---- */

static struct file *
file_of_inode(ino_t inode)
{
	for (size_t i = 0; i < shim.n_files; i++)
		if (shim.files[i].inode == inode)
			return &shim.files[i];
	return NULL;
}

/* What it holds now is on the disk: at the start, or after a flush. */
static struct file *
follow(int fd, const char *path)
{
	struct stat  st;
	struct file *f;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return NULL;
	f = file_of_inode(st.st_ino);
	if (f)
		return f;
	if (shim.n_files == FILES)
		broken("too many files");
	f = &shim.files[shim.n_files++];
	*f = (struct file){ .inode = st.st_ino, .n = (size_t)st.st_size };
	f->fd = (int)syscall(
	    SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	f->disk = malloc(f->n + 1);
	if (f->fd == -1 || f->disk == NULL ||
	    pread(f->fd, f->disk, f->n, 0) != st.st_size)
		broken("cannot follow a file");
	return f;
}

static void
apply(struct file *f, uint64_t offset, const char *data, size_t n)
{
	size_t end = (size_t)offset + n;

	if (end > f->n || data == NULL) {
		f->disk = realloc(f->disk, end + 1);
		if (f->disk == NULL)
			broken("no memory");
		if (end > f->n)
			memset(f->disk + f->n, 0, end - f->n);
		f->n = end;
	}
	if (data)
		memcpy(f->disk + offset, data, n);
}

static void
changed(struct file *f, uint64_t offset, const void *data, size_t n)
{
	struct change *c;

	if (f == NULL || !is_lost_mode())
		return;
	c = calloc(1, sizeof *c);
	if (c == NULL)
		broken("no memory");
	c->offset = offset;
	c->n = n;
	if (data) {
		c->data = malloc(n + 1);
		if (c->data == NULL)
			broken("no memory");
		memcpy(c->data, data, n);
	}
	*(f->last ? &f->last->next : &f->first) = c;
	f->last = c;
}

/* Every change that is kept reaches the disk, in its order. */
static void
settle(struct file *f, bool by_chance)
{
	struct change *c;

	while ((c = f->first) != NULL) {
		uint32_t chance = by_chance ? shim.seed ? below(5) : 4 : 0;
		size_t   n = c->n;

		f->first = c->next;
		if (chance == 2 && c->data) /* torn between two sectors */
			n = below((uint32_t)(n / SECTOR + 1)) * SECTOR;
		if (chance <= 2)
			apply(f, c->offset, c->data, n);
		free(c->data);
		free(c);
	}
	f->last = NULL;
}

/* Away, with all that is in it; grave is where to. */
static void
bury(const char *path, char *grave)
{
	snprintf(grave, PATH_MAX, "%s/%d-%u", getenv("FAULT_GRAVES"),
	    (int)getpid(), shim.graves++);
	if (syscall(SYS_rename, path, grave) == -1)
		broken("no graves");
}

static void
power_cut(void)
{
	char   grave[PATH_MAX];
	size_t keep = shim.seed ? below((uint32_t)shim.n_names + 1) : 0;

	for (size_t i = 0; i < shim.n_files; i++) {
		struct file *f = &shim.files[i];

		settle(f, true);
		if (syscall(SYS_ftruncate, f->fd, 0L) == -1 ||
		    syscall(SYS_pwrite64, f->fd, f->disk, f->n, 0L) !=
		        (long)f->n)
			broken("cannot put a file back");
	}
	for (size_t i = shim.n_names; i-- > keep;) {
		const struct name *name = &shim.names[i];

		switch (name->kind) {
		case CREATED:
			syscall(SYS_unlink, name->path);
			break;
		case FOLDER:
			bury(name->path, grave);
			break;
		case RENAMED:
		case REMOVED:
			syscall(SYS_rename, name->other, name->path);
			break;
		}
	}
}

static void
named(enum name_kind kind, const char *path, const char *other)
{
	struct name *name;

	if (!is_lost_mode())
		return;
	if (shim.n_names == NAMES)
		broken("too many names");
	name = &shim.names[shim.n_names++];
	name->kind = kind;
	snprintf(name->path, PATH_MAX, "%s", path);
	snprintf(name->other, PATH_MAX, "%s", other);
}

static bool
is_in(const char *path, const char *folder)
{
	const char *slash = strrchr(path, '/');

	return (size_t)(slash - path) == strlen(folder) &&
	    strncmp(path, folder, (size_t)(slash - path)) == 0;
}

/* The folder of the store is itself a name in another. */
static bool
is_flushed_for_us(const char *path)
{
	return is_ours(path) || is_in(shim.folder, path);
}

static void
folder_flushed(const char *folder)
{
	size_t kept = 0;

	for (size_t i = 0; i < shim.n_names; i++) {
		struct name *name = &shim.names[i];

		if (!is_in(name->path, folder)) {
			shim.names[kept++] = *name;
			continue;
		}
		if (name->kind == REMOVED)
			syscall(SYS_unlink, name->other);
	}
	shim.n_names = kept;
}

/* ---- the end ---- */

static void
fall(void)
{
	if (is_lost_mode())
		power_cut();
	_exit(42);
}

/* One more call. True: this is the one, and it is a write that shall be torn. */
static bool
is_last(void)
{
	shim.count++;
	if (shim.count != shim.at)
		return false;
	if (strcmp(shim.mode, "torn") != 0)
		fall();
	return true;
}

/* A call that cannot be torn. */
static void
step(void)
{
	if (is_last())
		fall();
}

/* ---- the calls ---- */

static struct file *
file_of(int fd)
{
	return fd >= 0 && fd < DESCRIPTORS ? shim.open[fd] : NULL;
}

static int
open_at(int folder, const char *name, int flags, mode_t mode)
{
	char path[PATH_MAX];
	bool ours = path_at(folder, name, path), creates;
	int  fd;

	creates = ours && (flags & O_CREAT) && access(path, F_OK) == -1;
	if (creates)
		step();
	fd = (int)syscall(SYS_openat, folder, name, flags, mode);
	if (fd == -1 || fd >= DESCRIPTORS)
		return fd;
	shim.open[fd] = ours ? follow(fd, path) : NULL;
	if (creates)
		named(CREATED, path, "");
	if (shim.open[fd] && (flags & O_TRUNC))
		changed(shim.open[fd], 0, NULL, 0);
	return fd;
}

static mode_t
mode_of(int flags, va_list list)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, mode_t) : 0;
}

#define OPEN(name) \
	int name(const char *path, int flags, ...) \
	{ \
		va_list list; \
		mode_t  mode; \
\
		va_start(list, flags); \
		mode = mode_of(flags, list); \
		va_end(list); \
		return open_at(AT_FDCWD, path, flags, mode); \
	}
#define OPENAT(name) \
	int name(int folder, const char *path, int flags, ...) \
	{ \
		va_list list; \
		mode_t  mode; \
\
		va_start(list, flags); \
		mode = mode_of(flags, list); \
		va_end(list); \
		return open_at(folder, path, flags, mode); \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int
close(int fd)
{
	if (fd >= 0 && fd < DESCRIPTORS)
		shim.open[fd] = NULL;
	return (int)syscall(SYS_close, fd);
}

static ssize_t
write_at(int fd, const void *p, size_t n, off_t offset)
{
	struct file *f = file_of(fd);
	ssize_t      done;
	bool         last = f && is_last();

	done = syscall(SYS_pwrite64, fd, p, last ? n / 2 : n, offset);
	if (last)
		fall();
	if (done > 0)
		changed(f, (uint64_t)offset, p, (size_t)done);
	return done;
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t offset)
{
	return write_at(fd, p, n, offset);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off_t offset)
{
	return write_at(fd, p, n, offset);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	ssize_t done;
	off_t   at;

	if (file_of(fd) == NULL)
		return syscall(SYS_write, fd, p, n);
	at = lseek(fd, 0, SEEK_CUR);
	done = write_at(fd, p, n, at);
	if (done > 0)
		lseek(fd, at + done, SEEK_SET);
	return done;
}

/* As read and write, in pieces, so that it can be torn. */
static ssize_t
send_file(int to, int from, off_t *offset, size_t n)
{
	static char block[64 * 1024];
	ssize_t     got;

	if (file_of(to) == NULL)
		return syscall(SYS_sendfile, to, from, offset, n);
	got = pread(from, block, n < sizeof block ? n : sizeof block, *offset);
	if (got <= 0)
		return got;
	got = write(to, block, (size_t)got);
	if (got > 0)
		*offset += got;
	return got;
}

ssize_t
sendfile(int to, int from, off_t *offset, size_t n)
{
	return send_file(to, from, offset, n);
}

ssize_t
sendfile64(int to, int from, off_t *offset, size_t n)
{
	return send_file(to, from, offset, n);
}

static int
set_size(int fd, off_t size)
{
	if (file_of(fd))
		step();
	changed(file_of(fd), (uint64_t)size, NULL, 0);
	return (int)syscall(SYS_ftruncate, fd, size);
}

int
ftruncate(int fd, off_t size)
{
	return set_size(fd, size);
}

int
ftruncate64(int fd, off_t size)
{
	return set_size(fd, size);
}

static int
flush(int fd)
{
	char path[PATH_MAX], link[64];
	ssize_t n;

	start();
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	if (n < 0)
		return -1;
	path[n] = '\0';
	if (!is_flushed_for_us(path))
		return 0;
	step();
	if (file_of(fd))
		settle(file_of(fd), false);
	else
		folder_flushed(path);
	return 0;
}

int
fsync(int fd)
{
	return flush(fd);
}

int
fdatasync(int fd)
{
	return flush(fd);
}

static int
remove_at(int folder, const char *name, int flags)
{
	char path[PATH_MAX], grave[PATH_MAX];

	if (!path_at(folder, name, path) || (flags & AT_REMOVEDIR))
		return (int)syscall(SYS_unlinkat, folder, name, flags);
	if (access(path, F_OK) == -1) {
		errno = ENOENT;
		return -1;
	}
	step();
	if (!is_lost_mode())
		return (int)syscall(SYS_unlinkat, folder, name, flags);
	bury(path, grave);
	named(REMOVED, path, grave);
	return 0;
}

int
unlink(const char *name)
{
	return remove_at(AT_FDCWD, name, 0);
}

int
unlinkat(int folder, const char *name, int flags)
{
	return remove_at(folder, name, flags);
}

/* Over an existing file it is not undone; the store never does that. */
int
renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	char from_path[PATH_MAX], to_path[PATH_MAX];

	if (!path_at(from_folder, from, from_path) ||
	    !path_at(to_folder, to, to_path))
		return (int)syscall(
		    SYS_renameat, from_folder, from, to_folder, to);
	step();
	if (access(to_path, F_OK) == 0)
		broken("a rename over a file");
	if (syscall(SYS_rename, from_path, to_path) == -1)
		return -1;
	named(RENAMED, from_path, to_path);
	return 0;
}

int
rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int
mkdirat(int folder, const char *name, mode_t mode)
{
	char path[PATH_MAX];
	int  result;

	if (!path_at(folder, name, path) || access(path, F_OK) == 0)
		return (int)syscall(SYS_mkdirat, folder, name, mode);
	step();
	result = (int)syscall(SYS_mkdirat, folder, name, mode);
	if (result == 0)
		named(FOLDER, path, "");
	return result;
}

int
mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}
