/*
 * qmail's users/assign: which account a local part is, and which part of it is the
 * extension. "=local:user:uid:gid:home:dash:ext:" is that local part alone,
 * "+prefix:user:uid:gid:home:dash:pre:" all that begin with it, the rest of the local part
 * behind pre being the extension; a last line ".". The exact one wins, else the longest prefix;
 * of two with one key the first; keys match without case.
 *
 * An assignment is known by its key: "=local" or "+prefix", lower case. Whoever is told one
 * finds uid and home himself.
 */
#ifndef AMPEL_MAIL_ASSIGNMENTS_H
#define AMPEL_MAIL_ASSIGNMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"

enum { ASSIGNMENTS_FILE_MAX = 256 * 1024 * 1024 };

struct assignment {
	struct bytes user;
	uint32_t     uid, gid;
	struct bytes home; /* absolute */
	struct bytes dash;
	struct bytes ext;  /* of a wildcard: what the rest is put behind */
};

/* Where they come from: proto/assign.h. */
struct assignments {
	/* By its key, "=local" or "+prefix" in lower case; views live as long as the source. */
	bool       (*find)(const void *source, struct bytes key, struct assignment *out);
	const void  *source;
	/* Bytes, in lower case, in which a prefix ends: others need not be looked up. */
	bool         ends_prefix[256];
	bool         has_empty_prefix; /* "+": it begins every local part */
};

/*
 * The one for a local part. *key, in arena, is what it is known by; *extension, in arena,
 * is ext and the rest of the local part as written; their p is NULL without memory. False: none,
 * or it is too long.
 */
bool assignments_route(const struct assignments *a, struct arena *arena,
    struct bytes local, struct assignment *out, struct bytes *key,
    struct bytes *extension);

#endif
