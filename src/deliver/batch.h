/*
 * Messages that become durable together, because flushes are what a delivery costs
 * (DESIGN section 12):
 *
 *     FOLDERS  find the folder of each, or why there is none
 *     LOOK     of those that may have been delivered before: find them in new/, cur/
 *     WRITE    all into tmp/
 *     FLUSH    the files: their content can no longer be lost
 *     RENAME   each into new/, never over what is there
 *     SETTLE   every new/ that was touched: the names can no longer be lost either
 *
 * Where the file system allows it, one syncfs flushes all. For 64 files on a busy disk
 * that is ten times faster than a flush of each, every one of which commits a
 * transaction of its own, and takes a quarter of the processor time.
 *
 * Only then is a job delivered. Killed at any point before, we have left at most a
 * file in tmp/, or in new/ under the name by which the next attempt finds it.
 */
#ifndef AMPEL_DELIVER_BATCH_H
#define AMPEL_DELIVER_BATCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deliver/homes.h"
#include "deliver/jobs.h"

enum { BATCH_MAX = 64, BATCH_NAME = NAME_MAX + 1 };

enum batch_step {
	BATCH_FOLDERS,
	BATCH_LOOK,
	BATCH_WRITE,
	BATCH_FLUSH,
	BATCH_RENAME,
	BATCH_SETTLE,
	BATCH_STEPS
};

struct batch_entry {
	struct job     *job;
	struct maildir *folder;
	int             file; /* -1: not open */
	bool            is_flushed;
	bool            is_in_place; /* it lies in new/ or cur/ */
	bool            is_renamed;  /* and we have put it there */
	char            tmp[BATCH_NAME];
	char            name[BATCH_NAME];
};

struct batch {
	struct homes      *homes;
	struct bytes       hostname;
	uint64_t           attempt; /* the last number in a name in tmp/ */
	size_t             n;
	struct batch_entry entries[BATCH_MAX];
};

/* hostname is borrowed. */
void batch_begin(struct batch *b, struct homes *homes, struct bytes hostname);
/* False: it is full. The job is not done and stays the caller's. */
bool batch_add(struct batch *b, struct job *job);
/* All steps; blocks. Every job then has its outcome. */
void batch_deliver(struct batch *b);
/* The steps from first to last; for tests, which stop between them. */
void batch_run(struct batch *b, enum batch_step first, enum batch_step last);

#endif
