/* "Did you mean": the known name that a wrong one is nearest to. */
#ifndef AMPEL_MAIL_SUGGEST_H
#define AMPEL_MAIL_SUGGEST_H

#include <stdbool.h>

#include "base/bytes.h"

struct suggestion {
	struct bytes wrong;
	const char  *nearest;  /* NULL: nothing is near */
	unsigned     distance; /* letters added, lost, changed or swapped */
};

struct suggestion suggestion_for(struct bytes wrong);
void              suggestion_offer(struct suggestion *s, const char *name);

/* For messages: "; did you mean \"%s\"?" or nothing, in out; returns out. */
enum { SUGGESTION_TEXT = 80 };
const char *suggestion_text(const struct suggestion *s, char out[SUGGESTION_TEXT]);

#endif
