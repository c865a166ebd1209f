/* A configuration file with its mistakes apart, for who shows them in its own way. */
#ifndef AMPEL_AMPEL_CONFIG_READ_H
#define AMPEL_AMPEL_CONFIG_READ_H

#include "base/arena.h"
#include "mail/config.h"
#include "mail/mistakes.h"

/*
 * config is good for use only when no mistake was added, and goes to config_finish in
 * any case. Texts of mistakes live in arena and in config.
 */
void config_read(const char *file, struct config *config, struct arena *arena,
    struct mistakes *mistakes);

#endif
