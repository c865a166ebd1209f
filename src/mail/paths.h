/*
 * Where things lie: DESIGN section 9. Four folders, the system's or all under `root`.
 * Names only; whoever opens them finds out what is there.
 */
#ifndef AMPEL_MAIL_PATHS_H
#define AMPEL_MAIL_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct config;

enum { PATHS_MAX = 256 };

enum path {
	PATH_ETC,     /* /etc/ampel, ROOT/etc */
	PATH_STATE,   /* /var/lib/ampel, ROOT/lib */
	PATH_SPOOL,   /* /var/spool/ampel, ROOT/spool: the queue */
	PATH_RUN,     /* /run/ampel, ROOT/run */
	PATH_PASSWD,  /* ETC/passwd */
	PATH_SHADOW,  /* ETC/shadow */
	PATH_ALIASES, /* ETC/aliases */
	PATH_MAIL,    /* STATE/mail, the folder of the homes */
	PATH_HOME,    /* STATE/mail/NAME */
	PATH_TLS,     /* STATE/tls, of root only */
	PATH_SELF_SIGNED,     /* STATE/tls/self-signed.pem */
	PATH_SELF_SIGNED_KEY, /* STATE/tls/self-signed.key */
	PATH_CHROOTS, /* STATE/chroot */
	PATH_CHROOT,  /* STATE/chroot/NAME, of the program "ampel-NAME" */
	PATH_CONTROL, /* RUN/control, the supervisor's socket */
	PATH_LOCAL,   /* RUN/local, the socket on which this host's programs hand in mail */
	PATH_PID,     /* RUN/pid */
	PATH_LOG,     /* STATE/log, where a supervisor in the background writes */
};

/*
 * The path as a string in out. name is for PATH_HOME and PATH_CHROOT, else empty. False: it
 * does not fit, or the name is empty, begins with a dot or holds a '/' or NUL.
 */
bool paths_get(const struct config *config, enum path path, struct bytes name,
    char out[PATHS_MAX]);

#endif
