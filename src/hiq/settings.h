/* The file of hi-q(8): what ampel-hiq gets of ampel.conf, and a little more. */
#ifndef AMPEL_HIQ_SETTINGS_H
#define AMPEL_HIQ_SETTINGS_H

#include "mail/config.h"

/*
 * Read $HIQ_CONF or /etc/ampel/hi-q.conf. False: its mistakes are on standard error.
 * config_finish in any case.
 */
bool settings_read(struct config *config);

/* What that file is called. */
const char *settings_file(void);

#endif
