/*
 * One supervisor per set of folders: RUN/pid, locked for life. A lock says who
 * lives; the number in the file is for people.
 */
#ifndef AMPEL_AMPEL_PIDFILE_H
#define AMPEL_AMPEL_PIDFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "mail/config.h"

enum pidfile_claim {
	PIDFILE_OURS,
	PIDFILE_OTHERS, /* another one runs */
	PIDFILE_BROKEN, /* the file cannot be written */
};

/* With a line in error unless it is ours. */
enum pidfile_claim pidfile_take(
    const struct config *config, char *error, size_t size);
void pidfile_release(void);

enum pidfile_state {
	PIDFILE_NONE,  /* no file: nothing runs */
	PIDFILE_STALE, /* a file, and nobody who holds it: it died */
	PIDFILE_HELD,  /* it runs */
};

/* pid is set when the file holds a number. */
enum pidfile_state pidfile_look(const struct config *config, pid_t *pid);

#endif
