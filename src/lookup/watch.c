#include "lookup/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/file.h"

struct watched {
	char       *path;
	struct stat seen; /* st_nlink 0: it could not be read */
};

void
watch_finish(struct watch *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->files[i].path);
	free(w->files);
	*w = (struct watch){ 0 };
}

static struct watched *
add_file(struct watch *w, const char *path)
{
	struct watched *files =
	    reallocarray(w->files, w->n + 1, sizeof *w->files);
	char *copy = strdup(path);

	if (files != NULL)
		w->files = files;
	if (files == NULL || copy == NULL) {
		free(copy);
		errno = ENOMEM;
		return NULL;
	}
	files[w->n] = (struct watched){ .path = copy };
	return &files[w->n++];
}

int
watch_read(struct watch *w, const char *path, struct buf *b)
{
	struct watched *file = add_file(w, path);
	struct stat     st;

	if (file == NULL)
		return -1;
	if (file_read(path, b, &st) == 0) {
		file->seen = st;
		return 0;
	}
	/* what is too large or no file at all is looked at again when it changes */
	if (errno == EFBIG || errno == EINVAL) {
		int error = errno;

		if (stat(path, &st) == 0)
			file->seen = st;
		errno = error;
	}
	return -1;
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool
watch_has_changed(const struct watch *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct stat now = { 0 };

		if (stat(w->files[i].path, &now) == -1)
			now = (struct stat){ 0 };
		if (!is_same(&now, &w->files[i].seen))
			return true;
	}
	return false;
}
