#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "io/log.h"
#include "mailbox/snapshot.h"

/* What an update has come to. */
struct update {
	struct snapshot *snapshot;
	size_t           removed[FOLDERS];
	size_t           missing; /* not where they were */
	size_t           failed;
	int              error;   /* of the last that failed */
};

static void
fail(struct update *u, size_t n, int error)
{
	u->failed += n;
	u->error = error;
}

static void
remove_one(struct update *u, struct message *m)
{
	const struct snapshot *s = u->snapshot;

	if (unlinkat(s->folders[m->folder], snapshot_name(s, m).p, 0) == 0) {
		u->removed[m->folder]++;
		m->state = MESSAGE_REMOVED;
	} else if (errno == ENOENT) {
		u->missing++;
	} else {
		fail(u, 1, errno);
		m->state = MESSAGE_UNREMOVABLE;
	}
}

static void
remove_all(struct update *u)
{
	struct snapshot *s = u->snapshot;

	u->missing = 0;
	for (size_t i = 0; i < s->n; i++)
		if (s->messages[i].state == MESSAGE_TO_REMOVE)
			remove_one(u, &s->messages[i]);
}

/* A second time for those whose flags have changed; who is missing then is gone. */
static void
remove_found_again(struct update *u)
{
	if (u->missing == 0)
		return;
	if (snapshot_find_again(u->snapshot) == 0)
		remove_all(u);
	else
		fail(u, u->missing, errno);
}

/* The base name stays, and with it the uid. A failure changes nothing for the user. */
static void
move_to_cur(const struct snapshot *s, const struct message *m)
{
	static const char no_flags[] = ":2,";
	char              name[NAME_MAX + sizeof no_flags];

	memcpy(name, snapshot_name(s, m).p, m->base_len);
	memcpy(name + m->base_len, no_flags, sizeof no_flags);
	file_move(s->folders[FOLDER_NEW], snapshot_name(s, m).p,
	    s->folders[FOLDER_CUR], name);
}

static void
move_seen(const struct snapshot *s)
{
	if (s->folders[FOLDER_CUR] == -1)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (s->messages[i].folder == FOLDER_NEW &&
		    s->messages[i].state == MESSAGE_KEPT)
			move_to_cur(s, &s->messages[i]);
}

/* EINVAL: a file system that flushes no folders. */
static void
flush(struct update *u)
{
	for (int i = 0; i < FOLDERS; i++)
		if (u->removed[i] > 0 && fsync(u->snapshot->folders[i]) == -1 &&
		    errno != EINVAL)
			fail(u, u->removed[i], errno);
}

size_t
snapshot_update(struct snapshot *s)
{
	struct update u = { .snapshot = s };

	remove_all(&u);
	remove_found_again(&u);
	move_seen(s);
	flush(&u);
	if (u.failed > 0)
		log_text("%zu messages could not be removed: %s", u.failed,
		    strerror(u.error));
	return u.failed;
}
