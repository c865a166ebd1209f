/*
 * A constant database (cr.yp.to/cdb) that lies in memory: libcdb, without its files.
 * Content may be anybody's: what points outside is not found.
 */
#ifndef AMPEL_PROTO_CONSTANT_DB_H
#define AMPEL_PROTO_CONSTANT_DB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* Zeroed is empty. */
struct constant_db {
	struct bytes content; /* somebody else's, at most 4 GiB - 1 */
};

/* Whether a file holds one rather than text: it has a head, with a NUL in it. */
bool constant_db_is(struct bytes content);
/* False: it is none or not all of one, or it is too large. */
bool constant_db_open(struct constant_db *db, struct bytes content);
/* The first record of that key. The view lies in the content. */
bool constant_db_find(
    const struct constant_db *db, struct bytes key, struct bytes *data);

/* One record after the other; *at is 0 before the first. False: that was the last. */
bool constant_db_next(const struct constant_db *db, size_t *at,
    struct bytes *key, struct bytes *data);

#endif
