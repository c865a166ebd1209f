#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "deliver/maildir.h"
#include "mail/id.h"
#include "proto/maildir_name.h"

/* What to do with a repeated delivery whose file was met in a folder. */
typedef void met(struct delivery *d, int folder, const char *name);

static void
met_in_new(struct delivery *d, int folder, const char *name)
{
	(void)folder;
	(void)name;
	d->step = DELIVERY_IN_NEW;
}

static void
met_in_cur(struct delivery *d, int folder, const char *name)
{
	(void)folder;
	(void)name;
	d->step = DELIVERY_IN_CUR;
}

/* Its writer is dead: the queue gives nobody the same delivery twice. */
static void
met_in_tmp(struct delivery *d, int folder, const char *name)
{
	(void)d;
	unlinkat(folder, name, 0);
}

/* The second part of "SECONDS.ID.RECIPIENT.": cheap to read and to compare. */
static bool
read_id(struct bytes name, struct id *id)
{
	struct bytes seconds, text;

	return bytes_split(&name, '.', &seconds) &&
	    bytes_split(&name, '.', &text) && id_parse(text, id);
}

static void
meet(struct maildir_batch *batch, const struct folder *f, int fd,
    const char *name, met *act)
{
	struct bytes text = bytes_of(name);
	struct id    id;

	if (!read_id(text, &id))
		return;
	for (size_t i = 0; i < batch->n; i++) {
		struct delivery *d = batch->v[i];

		if (d->folder == f && d->repeated &&
		    d->step == DELIVERY_BEGUN && id_equal(&d->id, &id) &&
		    maildir_name_matches(text, &d->id, d->recipient))
			act(d, fd, name);
	}
}

/* Takes fd. 0, or an errno. */
static int
scan(struct maildir_batch *batch, const struct folder *f, int fd, met *act)
{
	DIR           *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int            error;

	if (dir == NULL) {
		error = errno;
		if (fd != -1)
			close(fd);
		return error;
	}
	while (errno = 0, (entry = readdir(dir)) != NULL)
		meet(batch, f, dirfd(dir), entry->d_name, act);
	error = errno;
	closedir(dir);
	return error;
}

static int
open_again(int fd)
{
	return openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/*
 * new/ before cur/: a message that the user's program moves from one to the other
 * meanwhile is met in one of them at least.
 */
static void
find_in(struct maildir_batch *batch, const struct folder *f)
{
	int error = scan(batch, f, open_again(f->new), met_in_new);

	if (error == 0)
		error = scan(batch, f, folder_open_cur(f), met_in_cur);
	if (error == 0)
		scan(batch, f, open_again(f->tmp), met_in_tmp);
	/* what cannot be looked for is not delivered on the chance of a second copy */
	for (size_t i = 0; error != 0 && i < batch->n; i++) {
		struct delivery *d = batch->v[i];

		if (d->folder == f && d->repeated &&
		    d->step == DELIVERY_BEGUN)
			delivery_defer(d, error, "Maildir");
	}
}

/* A folder is looked through once, however many deliveries are for it. */
static bool
is_first_of_folder(const struct maildir_batch *batch, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (batch->v[i]->repeated &&
		    batch->v[i]->folder == batch->v[at]->folder)
			return false;
	return true;
}

void
maildir_find_repeated(struct maildir_batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		if (batch->v[i]->repeated &&
		    batch->v[i]->step == DELIVERY_BEGUN &&
		    is_first_of_folder(batch, i))
			find_in(batch, batch->v[i]->folder);
}
