/*
 * The files that something was made from, and whether they are still the same:
 * by time of change, size and inode. A file that is missing is watched too.
 */
#ifndef AMPEL_LOOKUP_WATCH_H
#define AMPEL_LOOKUP_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct watched;

/* Zeroed is empty. */
struct watch {
	struct watched *files;
	size_t          n;
};

void watch_finish(struct watch *w);

/*
 * Append the content of the file to b and watch it from that state on. -1 with
 * errno; ENOENT is no reason not to watch.
 */
int  watch_read(struct watch *w, const char *path, struct buf *b);
bool watch_has_changed(const struct watch *w);

#endif
