/*
 * One reading of all files from which the directory is made.
 */
#ifndef AMPEL_LOOKUP_READING_H
#define AMPEL_LOOKUP_READING_H

#include "base/arena.h"
#include "base/buf.h"
#include "lookup/watch.h"
#include "mail/config.h"
#include "mail/directory.h"
#include "proto/assign.h"

struct reading {
	struct directory *directory;
	struct assign     assign; /* of the directory */
	struct buf        assign_text; /* what it was read from */
	struct arena      arena;
};

/*
 * Read everything. NULL with "file:line: text" lines in error. The files are watched in any
 * case, in their state of now. config is not kept.
 */
struct reading *reading_of(
    const struct config *config, struct watch *watch, struct buf *error);
void            reading_free(struct reading *reading);

#endif
