/*
 * An open Maildir, or a Maildir++ folder in it, as descriptors. Below the home no
 * symbolic link is followed: under a uid that several users share, one of them
 * could lead us into the mail of another.
 */
#ifndef AMPEL_DELIVER_FOLDER_H
#define AMPEL_DELIVER_FOLDER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"

struct inode {
	dev_t device;
	ino_t number;
};

struct folder {
	int          root; /* Maildir, or Maildir/.NAME */
	int          tmp;
	int          new;
	struct inode tmp_inode;
	struct inode new_inode;
	bool         has_syncfs; /* which does all that fsync of each file does */
	char        *tmp_path;
	char        *new_path;
};

/*
 * Open HOME/Maildir, or HOME/Maildir/.NAME when name is not empty. What is missing
 * is made and flushed, but for the home. -1 with errno, and *what the part that
 * failed ("Maildir/new").
 */
int  folder_open(struct folder *f, const char *home, struct bytes name,
     const char **what);
/*
 * Open a Maildir that a .qmail file names, beneath an open home; it and its parts are there
 * already. For one occasion: it is never current.
 */
int  folder_open_beneath(struct folder *f, int home, struct bytes path,
     const char **what);
/* Whether the paths still lead to what is open: nobody has moved it. */
bool folder_is_current(const struct folder *f);
/* "cur", opened for the occasion. -1 with errno. */
int  folder_open_cur(const struct folder *f);
/* A closed or zeroed one is left alone. */
void folder_close(struct folder *f);

#endif
