/*
 * aliases(5): "name: target, target", continuation lines, '#' comments, quotes,
 * ":include:/file". An include is reported as a target; the caller reads the file
 * and parses it with aliases_parse_list.
 */
#ifndef AMPEL_PROTO_ALIASES_H
#define AMPEL_PROTO_ALIASES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "mail/mistakes.h"

enum { ALIASES_MAX = 16 * 1024 * 1024 };

struct alias {
	struct bytes  name;    /* without quotes; "a", "a@dom" or "@dom" */
	unsigned      line;
	struct bytes *targets; /* without quotes; "|prog" and "/file" as they stand */
	size_t        n_targets;
	struct alias *next;
};

/* In the order of the file; in arena. Views borrow from text or arena. */
struct alias *aliases_parse(
    struct bytes text, struct arena *arena, struct mistakes *mistakes);

/* The content of an included file: addresses, by commas or lines, '#' comments. */
bool aliases_parse_list(struct bytes text, struct arena *arena,
    struct mistakes *mistakes, struct bytes **targets, size_t *n);

/* ":include:/path": the path. */
bool alias_is_include(struct bytes target, struct bytes *path);

#endif
