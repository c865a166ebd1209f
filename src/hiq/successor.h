/*
 * The queue program behind the filters. hi-q does not start it but becomes it: so its exit code
 * and its death by a signal are the caller's without our help, and it has the process id
 * that the caller reports.
 */
#ifndef AMPEL_HIQ_SUCCESSOR_H
#define AMPEL_HIQ_SUCCESSOR_H

#include <stddef.h>

#include "base/bytes.h"
#include "hiq/caller.h"

enum { SUCCESSOR_PATH = 4096 };

/* queue, or, when that is empty, ampel-inject beside this program. False: too long. */
bool successor_path(struct bytes queue, char path[SUCCESSOR_PATH]);

/* With everything as the caller gave it. Returns with errno when it cannot be run. */
void successor_become(struct caller *caller, const char *path);

/*
 * The same with that message and that envelope in place of his. The files' own offsets do not
 * matter.
 */
void successor_queue(struct caller *caller, const char *path, int message,
    struct bytes envelope);

#endif
