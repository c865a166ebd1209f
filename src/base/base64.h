/* Base64, RFC 4648 section 4, with padding. */
#ifndef AMPEL_BASE_BASE64_H
#define AMPEL_BASE_BASE64_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"

void base64_add(struct buf *b, struct bytes data);
/*
 * Exact: no blanks, padding as it must be, no bits left over. False: b holds nothing
 * new of use.
 */
bool base64_parse(struct bytes text, struct buf *out);

#endif
