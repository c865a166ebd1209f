/*
 * The users that we deliver for, as the supervisor named them, and the folders of
 * those that had mail lately, held open.
 */
#ifndef AMPEL_DELIVER_HOMES_H
#define AMPEL_DELIVER_HOMES_H

#include <stdbool.h>

#include "base/bytes.h"
#include "deliver/maildir.h"

enum { HOMES_OPEN = 64 };

struct homes;
struct job;

/* NULL: no memory. */
struct homes *homes_new(void);
void          homes_free(struct homes *h);

/* From now on yellow mail goes there; empty: into the inbox. */
void homes_use(struct homes *h, struct bytes yellow_folder);
/* A user and its home; the latest word counts. False: no memory, or too long. */
bool homes_tell(struct homes *h, struct bytes user, struct bytes home);

/*
 * A batch begins: folders that were given out before are looked at once more, and
 * those that are given out from now on, of at most HOMES_OPEN users, stay open
 * until the next.
 */
void homes_begin(struct homes *h);
/* The folder for a job. NULL: the job has its outcome. */
struct maildir *homes_folder(struct homes *h, struct job *job);

#endif
