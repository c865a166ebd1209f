/*
 * The text of qmail's users/assign and the cdb that qmail-newu makes of it: sources for
 * mail/assignments.h.
 */
#ifndef AMPEL_PROTO_ASSIGN_H
#define AMPEL_PROTO_ASSIGN_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/table.h"
#include "mail/assignments.h"
#include "mail/mistakes.h"
#include "proto/constant_db.h"

/* Zeroed has none. What it was read from, and the arena, must live as long. */
struct assign {
	struct table       by_key; /* of the text */
	struct constant_db db;     /* or this; n is 0: none */
	struct assignments assignments; /* over this; it must not move */
};

/*
 * Text or cdb, found out from the content (constant_db_is). Broken lines, uid or gid 0, a
 * home that is not absolute, no last line "." are mistakes; so is a cdb that is none.
 */
void assign_read(struct assign *a, struct bytes content, struct arena *arena,
    struct mistakes *mistakes);
void assign_finish(struct assign *a);

/*
 * Only one, by its key, without reading the rest into memory: for whoever asks seldom. False: none,
 * or what there is has uid or gid 0 or is broken.
 */
bool assign_find_one(struct bytes content, struct bytes key, struct assignment *out);

#endif
