#include "deliver/users.h"

#include <stdlib.h>
#include <string.h>

#include "deliver/maildir.h"

_Static_assert((int)FOLDERS_OPEN > (int)MAILDIR_BATCH,
    "a folder of the batch at hand is never the one to close");

static void
close_folder(struct open_folder *f)
{
	if (f->user == NULL)
		return;
	folder_close(&f->folder);
	f->user = NULL;
}

void
users_close_folders(struct users *u)
{
	for (size_t i = 0; i < FOLDERS_OPEN; i++)
		close_folder(&u->open[i]);
}

void
users_finish(struct users *u)
{
	users_close_folders(u);
	table_finish(&u->by_name);
	while (u->first != NULL) {
		struct user *next = u->first->next;

		free(u->first->home);
		free(u->first->login);
		free(u->first);
		u->first = next;
	}
}

static struct user *
new_user(struct users *u, struct bytes name)
{
	struct user *user = calloc(1, sizeof *user + name.n + 1);

	if (user == NULL)
		return NULL;
	memcpy(user->name, name.p, name.n);
	user->name_len = name.n;
	if (table_add(&u->by_name, (struct bytes){ user->name, name.n },
	        user) != TABLE_ADDED) {
		free(user);
		return NULL;
	}
	user->next = u->first;
	u->first = user;
	return user;
}

bool
users_add(struct users *u, struct bytes name, struct bytes home,
    struct bytes login)
{
	struct user *user = table_find(&u->by_name, name);
	char        *home_copy = strndup(home.p, home.n);
	char        *login_copy =
	    login.n > 0 ? strndup(login.p, login.n) : strndup(name.p, name.n);

	if (home_copy != NULL && login_copy != NULL && user == NULL)
		user = new_user(u, name);
	if (home_copy == NULL || login_copy == NULL || user == NULL) {
		free(home_copy);
		free(login_copy);
		return false;
	}
	for (size_t i = 0; i < FOLDERS_OPEN; i++)
		if (u->open[i].user == user)
			close_folder(&u->open[i]);
	free(user->home);
	free(user->login);
	user->home = home_copy;
	user->login = login_copy;
	return true;
}

const struct user *
users_find(const struct users *u, struct bytes name)
{
	return table_find(&u->by_name, name);
}

void
users_begin_batch(struct users *u)
{
	u->batch++;
}

/* The place of that folder, else a free one, else the one used least lately. */
static struct open_folder *
find_place(struct users *u, const struct user *user, bool is_yellow)
{
	struct open_folder *oldest = &u->open[0];

	for (size_t i = 0; i < FOLDERS_OPEN; i++) {
		struct open_folder *f = &u->open[i];

		if (f->user == user && f->is_yellow == is_yellow)
			return f;
		if (oldest->user != NULL &&
		    (f->user == NULL || f->batch < oldest->batch))
			oldest = f;
	}
	return oldest;
}

struct folder *
users_folder(struct users *u, const struct user *user, bool is_yellow,
    struct bytes yellow_name, const char **what)
{
	struct open_folder *f = find_place(u, user, is_yellow);
	struct bytes        name = is_yellow ? yellow_name : BYTES("");
	bool                is_it = f->user == user && f->is_yellow == is_yellow;

	if (is_it && f->batch == u->batch)
		return &f->folder;
	if (!is_it || !folder_is_current(&f->folder)) {
		close_folder(f);
		if (folder_open(&f->folder, user->home, name, what) == -1)
			return NULL;
	}
	f->user = user;
	f->is_yellow = is_yellow;
	f->batch = u->batch;
	return &f->folder;
}
