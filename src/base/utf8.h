/* UTF-8, RFC 3629, from strangers. */
#ifndef AMPEL_BASE_UTF8_H
#define AMPEL_BASE_UTF8_H

#include <stdbool.h>

#include "base/bytes.h"

/*
 * Whether text is UTF-8, in its shortest form and without surrogates, and shows as what it
 * is: no control characters, no line or paragraph separators, none that change the
 * direction of what stands around them.
 */
bool utf8_is_plain(struct bytes text);

#endif
