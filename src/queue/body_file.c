#include "queue/body_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/memfile.h"

enum { SHARD = 2, NAME_SIZE = ID_TEXT + sizeof ".new" };

/* The folder below and the two names of a body. */
struct place {
	char shard[SHARD + 1];
	char name[ID_TEXT + 1];
	char unfinished[NAME_SIZE];
};

static struct place
place_of(const struct id *id)
{
	struct id_text text = id_text(id);
	struct place   place;

	snprintf(place.shard, sizeof place.shard, "%s",
	    text.p + ID_TEXT - SHARD);
	snprintf(place.name, sizeof place.name, "%s", text.p);
	snprintf(place.unfinished, sizeof place.unfinished, "%s.new", text.p);
	return place;
}

/* The folder of a shard, or -1 with errno. A new one is on disk on return. */
static int
open_shard(int folder, const char *shard, bool make)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
	int       fd = openat(folder, shard, flags);

	if (fd != -1 || errno != ENOENT || !make)
		return fd;
	if (mkdirat(folder, shard, 0700) == -1 && errno != EEXIST)
		return -1;
	if (fsync(folder) == -1)
		return -1;
	return openat(folder, shard, flags);
}

/* Written and flushed under its unfinished name. */
static int
write_unfinished(
    int shard, const struct place *place, int from, uint64_t size_bytes)
{
	int fd = openat(shard, place->unfinished,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int result;

	if (fd == -1)
		return -1;
	result = memfile_copy(from, size_bytes, fd);
	if (result == 0)
		result = fsync(fd);
	close(fd);
	return result;
}

/*
 * After a failed flush the kernel may believe that what it lost is clean, so the
 * file is removed and never flushed again.
 */
static int
write_in(int shard, const struct place *place, int from, uint64_t size_bytes)
{
	const char *last = place->unfinished;
	int         cause;

	if (write_unfinished(shard, place, from, size_bytes) == -1)
		goto undo;
	if (renameat(shard, place->unfinished, shard, place->name) == -1)
		goto undo;
	last = place->name;
	if (fsync(shard) == -1)
		goto undo;
	return 0;
undo:
	cause = errno;
	unlinkat(shard, last, 0);
	errno = cause;
	return -1;
}

int
body_file_write(
    int folder, const struct id *id, int from, uint64_t size_bytes)
{
	const struct place place = place_of(id);
	int                shard = open_shard(folder, place.shard, true);
	int                result;

	if (shard == -1)
		return -1;
	result = write_in(shard, &place, from, size_bytes);
	close(shard);
	return result;
}

int
body_file_open(int folder, const struct id *id)
{
	const struct place place = place_of(id);
	int                shard = open_shard(folder, place.shard, false);
	int                fd;

	if (shard == -1)
		return -1;
	fd = openat(shard, place.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	close(shard);
	return fd;
}

void
body_file_remove(int folder, const struct id *id)
{
	const struct place place = place_of(id);
	int                shard = open_shard(folder, place.shard, false);

	if (shard == -1)
		return;
	unlinkat(shard, place.name, 0);
	close(shard);
}

static DIR *
list_folder(int parent, const char *name)
{
	int  fd = openat(
            parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);

	if (fd != -1 && dir == NULL)
		close(fd);
	return dir;
}

static bool
is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* In its own place and wanted there. */
static bool
is_kept(const char *shard, const char *name, body_file_is_named *is_named,
    void *context)
{
	struct id    id;
	struct place place;

	if (!id_parse(bytes_of(name), &id))
		return false;
	place = place_of(&id);
	return strcmp(place.shard, shard) == 0 && is_named(context, &id);
}

static void
sweep_shard(
    int folder, const char *shard, body_file_is_named *is_named, void *context)
{
	DIR           *dir = list_folder(folder, shard);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (is_dot(entry->d_name))
			continue;
		if (!is_kept(shard, entry->d_name, is_named, context))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
}

void
body_file_sweep(int folder, body_file_is_named *is_named, void *context)
{
	DIR           *dir = list_folder(folder, ".");
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (!is_dot(entry->d_name))
			sweep_shard(folder, entry->d_name, is_named, context);
	closedir(dir);
}
