/*
 * Which extensions have a .qmail file and which have none, as their accounts have said it a
 * minute ago at most: whoever guesses addresses costs them one look each. Of a bounded number;
 * the one that was asked about longest ago is forgotten first. Time comes in.
 */
#ifndef AMPEL_LOOKUP_REMEMBERED_H
#define AMPEL_LOOKUP_REMEMBERED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/recent.h"

enum { REMEMBERED_MAX = 10000, REMEMBERED_MS = 60 * 1000 };

/* What an account is asked for: mail/directory.h says what the parts are. */
struct extension {
	struct bytes user, dash, name;
};

/* Zeroed, remembered_finish may be called. */
struct remembered {
	struct recent answers;
};

/* False: no memory. seed: random. */
bool remembered_init(struct remembered *r, uint64_t seed);
void remembered_finish(struct remembered *r);

/* False: nothing was said, or too long ago. */
bool remembered_find(struct remembered *r, const struct extension *extension,
    uint64_t now_ms, bool *exists);
/* Without memory it is asked again. */
void remembered_add(struct remembered *r, const struct extension *extension,
    uint64_t now_ms, bool exists);

#endif
