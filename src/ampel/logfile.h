/*
 * What stands behind the stderr of every program: the caller's own, a file, or
 * syslog by way of logger(1), which is watched and restarted.
 */
#ifndef AMPEL_AMPEL_LOGFILE_H
#define AMPEL_AMPEL_LOGFILE_H

#include <stddef.h>
#include <uv.h>

#include "mail/config.h"

/*
 * The descriptor for the setting `log`; is_daemon: without a terminal "stderr"
 * becomes the file ROOT/lib/log under a root of its own, else syslog. -1 with a line in
 * error.
 */
int logfile_open(uv_loop_t *loop, const struct config *config, int is_daemon,
    char *error, size_t size);
void logfile_close(void);

#endif
