/* The configuration file, read and understood; for every command that needs it. */
#ifndef AMPEL_AMPEL_CONFIG_LOAD_H
#define AMPEL_AMPEL_CONFIG_LOAD_H

#include "base/buf.h"
#include "mail/config.h"

/*
 * NULL: it cannot be read or holds mistakes; all of them are then in messages, a line
 * each. Else the caller's, to be given to config_free.
 */
struct config *config_load(const char *file, struct buf *messages);

/* The same, the messages on stderr. */
struct config *config_load_or_say(const char *file);

/* NULL is allowed. */
void config_free(struct config *config);

#endif
