/* The names of a table, with their lines: two that are the same, one that is missing. */
#ifndef AMPEL_AMPEL_CHECK_NAMES_H
#define AMPEL_AMPEL_CHECK_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "mail/mistakes.h"

struct named_line {
	struct bytes name;
	unsigned     line;
};

struct named_lines {
	struct named_line *v;
	size_t             n;
};

/* Room for every line of text. False: no memory. To be finished in any case. */
bool named_lines_init(struct named_lines *names, struct bytes text);
void named_lines_finish(struct named_lines *names);
/* The name is borrowed. */
void named_lines_add(struct named_lines *names, struct bytes name, unsigned line);

/* By names, those of one name by lines. */
void named_lines_sort(struct named_lines *names);
/* Of sorted ones: names that stand twice; only the first would ever be found. */
void named_lines_check(const struct named_lines *names, struct arena *arena,
    struct mistakes *mistakes);
bool named_lines_has(const struct named_lines *names, struct bytes name);

#endif
