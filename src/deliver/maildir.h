/*
 * One Maildir folder, its parts held open. Several users may share our uid, and the
 * folders are theirs to change: every part is opened below a descriptor of the home,
 * and no symbolic link below it is followed.
 */
#ifndef AMPEL_DELIVER_MAILDIR_H
#define AMPEL_DELIVER_MAILDIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"

struct maildir_inode {
	dev_t device;
	ino_t number;
};

struct maildir {
	char path[280]; /* below the home; empty: not open */
	int  folder, tmp, new;
	bool is_changed; /* new/ has entries that may not be on disk */
	bool has_syncfs; /* syncfs does for its file system all that fsync does */
	struct maildir_inode tmp_inode, new_inode;
};

/*
 * Open HOME/Maildir, or of it the Maildir++ folder of that name (without its dot);
 * NULL: the inbox. What is missing is made, and is on disk on return. -1 with errno,
 * m is then closed.
 */
int maildir_open(struct maildir *m, int home, const char *subfolder);
/* Takes a zeroed one calmly. */
void maildir_close(struct maildir *m);
/* Whether its path still leads to what we hold open. */
bool maildir_is_current(const struct maildir *m, int home);

/* True: it is a delivery that is looked for. */
typedef bool maildir_seen(struct bytes name, void *context);
/*
 * Show every name in new/, then in cur/: a reader moves files that way, so that none
 * is missed. What was found is on disk on return. -1 with errno.
 */
int maildir_look(struct maildir *m, maildir_seen *seen, void *context);

/* Put the entries of new/ on disk, if any are not. -1 with errno. */
int maildir_sync(struct maildir *m);

#endif
