/*
 * 128 bits that tell names apart: FNV-1a. It is small, and no chance makes two alike; it is
 * no digest for signatures: who looks for two names with the same one will find them.
 */
#ifndef AMPEL_BASE_FINGERPRINT_H
#define AMPEL_BASE_FINGERPRINT_H

#include <stdint.h>

#include "base/bytes.h"

enum { FINGERPRINT_BITS = 16 }; /* in bytes, as base/base32.h takes them */

void fingerprint_of(struct bytes name, uint8_t bits[FINGERPRINT_BITS]);

#endif
