/* From options to a connected socket, with fail-over. Blocking, within a time. */
#ifndef AMPEL_TOOLS_SPAMC_CONNECT_H
#define AMPEL_TOOLS_SPAMC_CONNECT_H

#include "tools/spamc_options.h"

/*
 * EX_OK and a connected non-blocking descriptor to close; or the code to exit
 * with, told on stderr: EX_NOHOST, EX_UNAVAILABLE, EX_SOFTWARE (a UNIX socket).
 * All addresses are tried in their order, then again, as often as the options say.
 */
int spamc_connect(const struct spamc_options *o, int *fd);

#endif
