/*
 * The 128 bits of a message id as 26 lower-case base32 characters (0-9 a-v,
 * the extended hex alphabet of RFC 4648 section 7), which sort as the bits do.
 */
#ifndef AMPEL_BASE_BASE32_H
#define AMPEL_BASE_BASE32_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { BASE32_TEXT = 26, BASE32_BITS = 16 };

void base32_encode(const uint8_t bits[BASE32_BITS], char text[BASE32_TEXT]);
/* Exactly 26 characters of the alphabet, lower case, no bit beyond the 128th. */
bool base32_decode(struct bytes text, uint8_t bits[BASE32_BITS]);

#endif
