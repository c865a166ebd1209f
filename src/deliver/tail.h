/* The end of what a program says: however much that is, its last lines are kept. */
#ifndef AMPEL_DELIVER_TAIL_H
#define AMPEL_DELIVER_TAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

enum { TAIL_BYTES = 1024, TAIL_TEXT = 400 };

/* Zeroed is empty. */
struct tail {
	size_t n;
	bool   is_cut; /* there was more before */
	char   text[TAIL_BYTES];
};

void tail_add(struct tail *t, struct bytes text);
/*
 * The last lines, whole ones, as far as they fit into TAIL_TEXT; of a longer line its end.
 * A view of t, as it was said: not yet printable.
 */
struct bytes tail_lines(const struct tail *t);

#endif
