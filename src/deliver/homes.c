#include "deliver/homes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/table.h"
#include "deliver/jobs.h"

struct home;

struct user {
	struct user *next;
	struct home *home; /* NULL: not open */
	char         name[64];
	char         path[1024];
};

enum folder { INBOX, YELLOW, FOLDERS };

struct home {
	struct user   *user; /* NULL: the place is free */
	int            fd;
	uint64_t       batch; /* the last that used it */
	struct maildir folders[FOLDERS];
	uint64_t       looked[FOLDERS]; /* the batch that found it current */
};

struct homes {
	struct table table; /* of users, by name */
	struct user *users;
	struct home  open[HOMES_OPEN];
	uint64_t     batch;
	char         yellow_folder[256]; /* empty: the inbox */
};

struct homes *
homes_new(void)
{
	return calloc(1, sizeof(struct homes));
}

static void
close_home(struct home *home)
{
	if (home->user == NULL)
		return;
	for (int i = 0; i < FOLDERS; i++)
		maildir_close(&home->folders[i]);
	close(home->fd);
	home->user->home = NULL;
	home->user = NULL;
}

void
homes_free(struct homes *h)
{
	if (h == NULL)
		return;
	for (int i = 0; i < HOMES_OPEN; i++)
		close_home(&h->open[i]);
	while (h->users) {
		struct user *next = h->users->next;

		free(h->users);
		h->users = next;
	}
	table_finish(&h->table);
	free(h);
}

void
homes_use(struct homes *h, struct bytes yellow_folder)
{
	for (int i = 0; i < HOMES_OPEN; i++)
		maildir_close(&h->open[i].folders[YELLOW]);
	bytes_to_string(
	    yellow_folder, h->yellow_folder, sizeof h->yellow_folder);
}

static struct user *
add_user(struct homes *h, struct bytes name)
{
	struct user *user = calloc(1, sizeof *user);

	if (user == NULL)
		return NULL;
	if (!bytes_to_string(name, user->name, sizeof user->name) ||
	    table_add(&h->table, bytes_of(user->name), user) != TABLE_ADDED) {
		free(user);
		return NULL;
	}
	user->next = h->users;
	h->users = user;
	return user;
}

bool
homes_tell(struct homes *h, struct bytes name, struct bytes home)
{
	struct user *user = table_find(&h->table, name);

	if (home.n >= sizeof user->path)
		return false;
	if (user == NULL)
		user = add_user(h, name);
	if (user == NULL)
		return false;
	if (bytes_equal(bytes_of(user->path), home))
		return true;
	if (user->home)
		close_home(user->home);
	return bytes_to_string(home, user->path, sizeof user->path);
}

void
homes_begin(struct homes *h)
{
	h->batch++;
}

/* A place for one more: a free one, or that of the home not used for longest. */
static struct home *
make_room(struct homes *h)
{
	struct home *oldest = &h->open[0];

	for (int i = 0; i < HOMES_OPEN; i++) {
		struct home *home = &h->open[i];

		if (home->user == NULL)
			return home;
		if (home->batch < oldest->batch)
			oldest = home;
	}
	close_home(oldest);
	return oldest;
}

/* A home may be moved or replaced by the administrator at any time. */
static bool
is_current(const struct home *home)
{
	struct stat held, named;

	return fstat(home->fd, &held) == 0 &&
	    stat(home->user->path, &named) == 0 &&
	    held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* -1 with errno. Above the home the administrator's links are followed. */
static int
open_home(struct homes *h, struct user *user)
{
	struct home *home = user->home;
	int          fd;

	if (home && (home->batch == h->batch || is_current(home))) {
		home->batch = h->batch;
		return 0;
	}
	if (home)
		close_home(home);
	fd = open(user->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	home = make_room(h);
	*home = (struct home){ .user = user, .fd = fd, .batch = h->batch };
	user->home = home;
	return 0;
}

/* -1 with errno. */
static int
open_folder(struct homes *h, struct home *home, enum folder which)
{
	struct maildir *m = &home->folders[which];

	if (m->path[0] != '\0' && home->looked[which] == h->batch)
		return 0;
	if (!maildir_is_current(m, home->fd)) {
		maildir_close(m);
		if (maildir_open(m, home->fd,
		        which == YELLOW ? h->yellow_folder : NULL) == -1)
			return -1;
	}
	home->looked[which] = h->batch;
	return 0;
}

static void
defer_for_home(struct job *job, int error)
{
	if (error == ENOENT)
		job_end(job, OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    "the user's home does not exist");
	else
		job_defer(job, "the user's home cannot be opened", error);
}

static void
defer_for_folder(struct job *job, int error)
{
	if (error == ENOTDIR || error == ELOOP)
		job_end(job, OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    "a part of the user's Maildir is no folder; symbolic links "
		    "are not followed");
	else
		job_defer(job, "the user's Maildir cannot be opened", error);
}

struct maildir *
homes_folder(struct homes *h, struct job *job)
{
	struct user *user = table_find(&h->table, job->user);
	enum folder  which =
	    job->is_yellow && h->yellow_folder[0] ? YELLOW : INBOX;

	if (user == NULL) {
		job_end(job, OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    "the user's home is not known");
		return NULL;
	}
	if (open_home(h, user) == -1) {
		defer_for_home(job, errno);
		return NULL;
	}
	if (open_folder(h, user->home, which) == -1) {
		defer_for_folder(job, errno);
		return NULL;
	}
	return &user->home->folders[which];
}
