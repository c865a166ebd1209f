#include "mailbox/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/clock.h"
#include "mailbox/scan.h"
#include "proto/maildir_name.h"
#include "proto/maildrop.h"

enum {
	FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
	/* Not more is read of a Maildir, of which the first MAILDROP_MAX then count. */
	SCANNED_MAX = 2 * MAILDROP_MAX,
	NAMES_MAX = SCANNED_MAX * (NAME_MAX + 1),
	LOOKS_MAX = 3,
	LOOK_AGAIN_MS = 1000,
	/* From the first more than a page: see main.c. */
	FIRST_MESSAGES = 512,
	FIRST_NAMES = 8 * 1024,
};

_Static_assert(sizeof(struct message) == 16, "it is small");
_Static_assert(NAME_MAX <= UINT8_MAX, "lengths of names fit");

static const char *const folder_names[FOLDERS] = { "new", "cur" };
static const char *const folder_parts[FOLDERS] = { "Maildir/new", "Maildir/cur" };

struct bytes
snapshot_name(const struct snapshot *s, const struct message *m)
{
	return (struct bytes){ s->names.p + m->name, m->name_len };
}

static struct bytes
base_of(const struct snapshot *s, const struct message *m)
{
	return (struct bytes){ s->names.p + m->name, m->base_len };
}

/* --- opening --- */

static void
close_quietly(int fd)
{
	int error = errno;

	if (fd != -1)
		close(fd);
	errno = error;
}

/* *fd is -1 for what is not there. -1 with errno. */
static int
open_below(int parent, const char *name, int *fd)
{
	*fd = openat(parent, name, FOLDER_FLAGS | O_NOFOLLOW);
	return *fd == -1 && errno != ENOENT ? -1 : 0;
}

static int
open_folders(struct snapshot *s, const char *home, const char **what)
{
	int home_fd, maildir, opened;

	/* the way to the home is the administrator's and may have links */
	*what = "the home folder";
	home_fd = open(home, FOLDER_FLAGS);
	if (home_fd == -1) /* its disk may be missing: that is no empty maildrop */
		return -1;
	*what = "Maildir";
	opened = open_below(home_fd, "Maildir", &maildir);
	close_quietly(home_fd);
	for (int i = 0; i < FOLDERS && opened == 0 && maildir != -1; i++) {
		*what = folder_parts[i];
		opened = open_below(maildir, folder_names[i], &s->folders[i]);
	}
	close_quietly(maildir);
	return opened;
}

/* --- looking --- */

/* A folder that is looked through. */
struct look {
	struct snapshot *snapshot;
	enum folder      folder;
	bool             has_failed; /* no memory */
};

static struct timespec
changed_at(int fd)
{
	struct stat st = { 0 };

	if (fd != -1)
		fstat(fd, &st);
	return st.st_mtim;
}

static bool
is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/*
 * new/ before cur/: a message that another program moves meanwhile is met in one of
 * them at least. -1 with errno, and *what.
 */
static int
look_through(struct snapshot *s, scan_met *met, const char **what)
{
	s->looked_ms = clock_monotonic_ms();
	for (int i = 0; i < FOLDERS; i++) {
		struct look look = { .snapshot = s, .folder = (enum folder)i };

		*what = folder_parts[i];
		s->changed[i] = changed_at(s->folders[i]);
		if (s->folders[i] == -1)
			continue;
		if (scan_folder(s->folders[i], met, &look) == -1)
			return -1;
		if (look.has_failed) {
			errno = ENOMEM;
			return -1;
		}
	}
	return 0;
}

static bool
make_room(struct snapshot *s)
{
	size_t          cap = s->cap ? 2 * s->cap : FIRST_MESSAGES;
	struct message *more;

	if (s->n < s->cap)
		return true;
	more = realloc(s->messages, cap * sizeof *more);
	if (more == NULL)
		return false;
	s->messages = more;
	s->cap = cap;
	return true;
}

/* Where it stands from now on. names has failed when there is no room. */
static uint32_t
add_name(struct snapshot *s, struct bytes name)
{
	size_t at = s->names.len;

	buf_add(&s->names, name.p, name.n + 1); /* its NUL too */
	return (uint32_t)at;
}

static bool
add_message(struct bytes name, void *context)
{
	struct look     *look = context;
	struct snapshot *s = look->snapshot;
	struct message   m = {
		  .seconds = maildir_name_seconds(name),
		  .name = add_name(s, name),
		  .name_len = (uint8_t)name.n,
		  .base_len = (uint8_t)maildir_name_base(name).n,
		  .folder = (uint8_t)look->folder,
	};

	look->has_failed = s->names.failed || !make_room(s);
	if (look->has_failed)
		return false;
	s->messages[s->n++] = m;
	return s->n < SCANNED_MAX;
}

/* By time, then by base name. */
static int
compare_places(uint64_t seconds_a, struct bytes base_a, uint64_t seconds_b,
    struct bytes base_b)
{
	if (seconds_a != seconds_b)
		return seconds_a < seconds_b ? -1 : 1;
	return bytes_compare(base_a, base_b);
}

/* Of the same base name, that in cur/ is the one met last: it comes first. */
static int
compare(const void *a, const void *b, void *context)
{
	const struct snapshot *s = context;
	const struct message  *x = a, *y = b;
	int order = compare_places(x->seconds, base_of(s, x), y->seconds, base_of(s, y));

	if (order != 0)
		return order;
	if (x->folder != y->folder)
		return y->folder - x->folder;
	return bytes_compare(snapshot_name(s, x), snapshot_name(s, y));
}

/* A base name counts once, and of too many the first ones do. */
static void
leave_out(struct snapshot *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n && kept < MAILDROP_MAX; i++) {
		struct message *m = &s->messages[i];

		if (kept > 0 && bytes_equal(base_of(s, m),
		                    base_of(s, &s->messages[kept - 1])))
			continue;
		s->messages[kept++] = *m;
	}
	s->n = kept;
}

/*
 * A file that is renamed in cur/ while that is read (a flag changes) may be missed. So it
 * is read again when it has changed, a few times at most.
 */
static int
look_first(struct snapshot *s, const char **what)
{
	for (int looks = 1;; looks++) {
		s->n = 0;
		buf_clear(&s->names);
		if (look_through(s, add_message, what) == -1)
			return -1;
		if (looks == LOOKS_MAX || is_same_time(s->changed[FOLDER_CUR],
		                              changed_at(s->folders[FOLDER_CUR])))
			return 0;
	}
}

int
snapshot_take(struct snapshot *s, const char *home, const char **what)
{
	*s = (struct snapshot){ .folders = { -1, -1 } };
	buf_init(&s->names, NAMES_MAX);
	buf_room(&s->names, FIRST_NAMES);
	if (open_folders(s, home, what) == -1 || look_first(s, what) == -1) {
		snapshot_close(s);
		return -1;
	}
	if (s->n > 0)
		qsort_r(s->messages, s->n, sizeof s->messages[0], compare, s);
	leave_out(s);
	return 0;
}

void
snapshot_close(struct snapshot *s)
{
	int error = errno;

	for (int i = 0; i < FOLDERS; i++)
		if (s->folders[i] > 0)
			close(s->folders[i]);
	free(s->messages);
	buf_finish(&s->names);
	*s = (struct snapshot){ .folders = { -1, -1 } };
	errno = error;
}

/* --- finding again --- */

static struct message *
find(struct snapshot *s, struct bytes base)
{
	uint64_t seconds = maildir_name_seconds(base);
	size_t   low = 0, high = s->n;

	while (low < high) {
		size_t          middle = low + (high - low) / 2;
		struct message *m = &s->messages[middle];
		int             order =
		    compare_places(seconds, base, m->seconds, base_of(s, m));

		if (order == 0)
			return m;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* The new name takes the place of the old one where it can: it differs in the flags. */
static bool
meet_again(struct bytes name, void *context)
{
	struct look     *look = context;
	struct snapshot *s = look->snapshot;
	struct message  *m = find(s, maildir_name_base(name));

	if (m == NULL)
		return true;
	if (name.n <= m->name_len) {
		memcpy(s->names.p + m->name, name.p, name.n + 1);
	} else {
		uint32_t at = add_name(s, name);

		look->has_failed = s->names.failed;
		if (look->has_failed)
			return false;
		m->name = at;
	}
	m->name_len = (uint8_t)name.n;
	m->folder = (uint8_t)look->folder;
	return true;
}

int
snapshot_find_again(struct snapshot *s)
{
	const char *what;

	return look_through(s, meet_again, &what);
}

static bool
may_have_changed(const struct snapshot *s)
{
	if (clock_monotonic_ms() - s->looked_ms >= LOOK_AGAIN_MS)
		return true;
	for (int i = 0; i < FOLDERS; i++)
		if (!is_same_time(s->changed[i], changed_at(s->folders[i])))
			return true;
	return false;
}

void
snapshot_begin_batch(struct snapshot *s)
{
	s->may_look = true;
}

/* --- reading --- */

/* O_NONBLOCK, should it be a FIFO by now. */
static int
open_regular(const struct snapshot *s, const struct message *m)
{
	int fd = openat(s->folders[m->folder], snapshot_name(s, m).p,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	errno = ENOENT;
	return -1;
}

int
snapshot_open(struct snapshot *s, size_t i)
{
	const struct message *m = &s->messages[i];
	int                   fd = open_regular(s, m);

	if (fd != -1 || errno != ENOENT || !s->may_look || !may_have_changed(s))
		return fd;
	s->may_look = false;
	if (snapshot_find_again(s) == -1)
		return -1;
	return open_regular(s, m);
}
