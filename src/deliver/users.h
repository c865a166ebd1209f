/*
 * The users for whom this process delivers, as the supervisor names them, and
 * their folders, kept open from batch to batch.
 */
#ifndef AMPEL_DELIVER_USERS_H
#define AMPEL_DELIVER_USERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/table.h"
#include "deliver/folder.h"

enum { FOLDERS_OPEN = 128 }; /* more than a batch can need */

struct user {
	char        *home;
	char        *login; /* what his programs are told that he is called */
	struct user *next;
	size_t       name_len;
	char         name[];
};

struct open_folder {
	struct folder      folder;
	const struct user *user; /* NULL: this place is free */
	bool               is_yellow;
	uint64_t           batch; /* in which it was used last */
};

/* Zeroed is empty. */
struct users {
	struct table       by_name;
	struct user       *first;
	struct open_folder open[FOLDERS_OPEN];
	uint64_t           batch;
};

void users_finish(struct users *u);

/* A user, or his new home. login may be empty: as his name. False: no memory. */
bool users_add(struct users *u, struct bytes name, struct bytes home,
    struct bytes login);
/* NULL: nobody told us of him. */
const struct user *users_find(const struct users *u, struct bytes name);

/*
 * A new batch: what users_folder returns in it is valid until the next one, and was
 * looked at once, whether it still is where it was.
 */
void users_begin_batch(struct users *u);
/*
 * The inbox, or the yellow folder by its name. NULL with errno, and *what the part
 * that failed. At most MAILDIR_BATCH different ones in a batch.
 */
struct folder *users_folder(struct users *u, const struct user *user,
    bool is_yellow, struct bytes yellow_name, const char **what);
/* Close all, when the yellow folder's name may have changed. */
void users_close_folders(struct users *u);

#endif
