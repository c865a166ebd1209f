/*
 * Where things lie: DESIGN section 9. Four folders, the system's or all under `root`.
 * Names only; whoever opens them finds out what is there.
 */
#ifndef AMPEL_MAIL_PATHS_H
#define AMPEL_MAIL_PATHS_H

#include <stdbool.h>

#include "base/bytes.h"

struct buf;
struct config;

enum path {
	PATH_ETC,     /* /etc/ampel, ROOT/etc */
	PATH_STATE,   /* /var/lib/ampel, ROOT/lib */
	PATH_SPOOL,   /* /var/spool/ampel, ROOT/spool: the queue */
	PATH_RUN,     /* /run/ampel, ROOT/run */
	PATH_PASSWD,  /* ETC/passwd */
	PATH_SHADOW,  /* ETC/shadow */
	PATH_ALIASES, /* ETC/aliases */
	PATH_MAIL,    /* STATE/mail: a home for each name */
	PATH_CHROOT,  /* STATE/chroot: a folder for each program */
	PATH_CONTROL, /* RUN/control, the supervisor's socket */
	PATH_PID,     /* RUN/pid */
	PATH_LOG,     /* STATE/log, where a supervisor in the background writes */
};

void paths_add(struct buf *b, const struct config *config, enum path path);

/*
 * The file or folder called name in a path, as PATH_MAIL or PATH_CHROOT. False,
 * with nothing added, when the name could lead out of it: it is empty, begins
 * with a dot, or holds a '/' or NUL.
 */
bool paths_add_in(struct buf *b, const struct config *config, enum path path,
    struct bytes name);

#endif
