/* The one place that knows zlib. */
#ifndef AMPEL_TOOLS_SPAMC_COMPRESS_H
#define AMPEL_TOOLS_SPAMC_COMPRESS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"

/* A whole zlib stream (RFC 1950) into an empty buffer, initialised here. */
bool spamc_compress(struct bytes plain, struct buf *out);

#endif
