/* The finalizer of MurmurHash3, public domain: every bit of the input moves every other. */
#ifndef AMPEL_BASE_MIX_H
#define AMPEL_BASE_MIX_H

#include <stdint.h>

uint64_t mix(uint64_t x);

#endif
