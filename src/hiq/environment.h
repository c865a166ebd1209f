/* What a filter program is told about a message beside its content. */
#ifndef AMPEL_HIQ_ENVIRONMENT_H
#define AMPEL_HIQ_ENVIRONMENT_H

#include "base/arena.h"
#include "mail/envelope.h"

enum { ENVIRONMENT_RECIPIENTS_MAX = 64 * 1024 };

/*
 * The environment of DESIGN section 4, ending with NULL, in arena. What is not
 * known is not set; recipients that do not fit are left out whole. caller: variables that
 * go before ours of the same name, at most ENVIRONMENT_CALLER_MAX of them, as struct
 * filters has them, or NULL. NULL: no memory.
 */
enum { ENVIRONMENT_CALLER_MAX = 16 };
const char *const *environment_of(struct arena *arena,
    const struct envelope *envelope, const char *const *caller);

/* A command line split at blanks, ending with NULL. NULL: no memory, or no word. */
const char *const *environment_argv(struct arena *arena, struct bytes command);

#endif
