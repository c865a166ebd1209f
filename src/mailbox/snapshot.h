/*
 * The messages that a Maildir held when the session began, numbered from 0 in the order in
 * which they came: by the time that their names begin with (those without one first), then by
 * base name. What happens to the Maildir meanwhile changes no number: a message whose file
 * was renamed is found again by its base name, one that was removed is gone.
 *
 * No lock is taken: a client whose connection hangs must not lock its user out. Two
 * sessions at once each have their own snapshot. Nothing is written but by
 * snapshot_update, and dovecot's files are never touched.
 *
 * Below the home no symbolic link is followed, as in delivery: under a uid that several
 * users share, one of them could lead us into the mail of another.
 */
#ifndef AMPEL_MAILBOX_SNAPSHOT_H
#define AMPEL_MAILBOX_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/bytes.h"

enum folder { FOLDER_NEW, FOLDER_CUR, FOLDERS };

enum message_state {
	MESSAGE_KEPT,
	MESSAGE_UNREADABLE, /* while the list is made */
	MESSAGE_TO_REMOVE,  /* by snapshot_update */
	MESSAGE_REMOVED,
	MESSAGE_UNREMOVABLE,
};

/* Many are kept by many processes: 16 bytes and the name. */
struct message {
	uint64_t seconds;  /* of its name, 0: none */
	uint32_t name;     /* where it stands in names, a NUL behind it */
	uint8_t  name_len;
	uint8_t  base_len;
	uint8_t  folder;
	uint8_t  state;
};

/* Zeroed is closed. */
struct snapshot {
	int             folders[FOLDERS]; /* -1: there is none */
	struct message *messages;         /* sorted */
	size_t          n, cap;
	struct buf      names;

	/* When the folders were last looked through. */
	struct timespec changed[FOLDERS];
	uint64_t        looked_ms;
	bool            may_look; /* again, in this batch */
};

/*
 * What HOME/Maildir holds now; without a Maildir, nothing. -1 with errno, and *what the
 * part that failed ("Maildir/cur").
 */
int  snapshot_take(struct snapshot *s, const char *home, const char **what);
void snapshot_close(struct snapshot *s);

/*
 * The list of its messages, proto/maildrop.h, as a sealed memory file. Those whose size is not
 * in their name and which cannot be read are left out of list and snapshot: call it before
 * a number is used. -1 with errno (ETIMEDOUT: reading all that has to be read took too long).
 */
int snapshot_list(struct snapshot *s);

/*
 * Messages that are not where they were are looked for once in a batch, at most, and only when
 * the folders have changed since, or a second has passed.
 */
void snapshot_begin_batch(struct snapshot *s);
/* A descriptor for reading, of a regular file. -1 with errno: it is gone. */
int  snapshot_open(struct snapshot *s, size_t i);

/*
 * The end of a session that has one, as qmail has it: what is to be removed is, and the others
 * that were in new/ move to cur/, seen by a client now. Returns how many could not be removed;
 * what somebody else has removed was not. A removal is on disk before this returns: that costs
 * one flush of a folder, and without it a power cut brings messages back that the user has
 * seen go. A move that is lost costs nobody anything.
 */
size_t snapshot_update(struct snapshot *s);

/* --- for list.c and update.c --- */

struct bytes snapshot_name(const struct snapshot *s, const struct message *m);
/* Look where the messages are now. -1 with errno. */
int          snapshot_find_again(struct snapshot *s);

#endif
