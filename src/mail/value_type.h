/*
 * What each type of value accepts and how it is written: one row per type. A
 * matter between value_read, value_add and this table.
 */
#ifndef AMPEL_MAIL_VALUE_TYPE_H
#define AMPEL_MAIL_VALUE_TYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "mail/mistakes.h"
#include "mail/value.h"

struct value_type_row {
	const char *wants; /* "a size such as 50M" */
	/* One value; what it stores may borrow from text. */
	bool      (*parse)(struct bytes text, void *out);
	void      (*add)(struct buf *b, const void *field);
	size_t      element; /* of a list: the size of each; 0: no list */
	bool        is_number; /* a uint64_t with limits */
	bool        is_text;   /* a struct bytes, unset when empty */
	bool        lowers_case;
	/* Adds a mistake that says better than `wants` what is wrong. False: it has
	 * nothing to say. May be NULL. */
	bool      (*explain)(struct bytes text, unsigned line,
	    struct arena *arena, struct mistakes *mistakes);
};

/* Of types that value_read reads: not VALUE_LATER, not VALUE_COLOUR. */
const struct value_type_row *value_type_row(enum value_type type);

#endif
