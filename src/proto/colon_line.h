/* What the files of passwd(5) and shadow(5) have in common: lines of fields between colons. */
#ifndef AMPEL_PROTO_COLON_LINE_H
#define AMPEL_PROTO_COLON_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/*
 * A line without its LF into exactly n fields, which borrow from it; the last one may be
 * empty, too. False: more or fewer, or a control byte.
 */
bool colon_line_split(struct bytes line, struct bytes field[], size_t n);

/*
 * Take the next line off the front of *rest, passing over empty ones and comments. False at
 * the end. *number, if not NULL, grows by the lines taken.
 */
bool colon_line_next(struct bytes *rest, struct bytes *line, unsigned *number);

#endif
