/* The names that a listener may have; each is a policy (DESIGN section 1). */
#ifndef AMPEL_MAIL_LISTENER_H
#define AMPEL_MAIL_LISTENER_H

#include <stdbool.h>

#include "base/bytes.h"
#include "mail/mistakes.h"

struct arena;

enum listener_state {
	LISTENER_UNKNOWN,
	LISTENER_OFFERED,
	LISTENER_LATER,   /* known, but this version does not offer it */
	LISTENER_REFUSED, /* never */
};

enum listener_state listener_find(struct bytes name);

/* Why a name that is not offered cannot stand there. */
void listener_add_mistake(struct bytes name, unsigned line, struct arena *arena,
    struct mistakes *mistakes);

#endif
