/*
 * Numbers as people and protocols write them. Every function takes the whole
 * view or nothing: trailing bytes, signs where none is allowed, and values that
 * do not fit are false, and *out is then untouched.
 */
#ifndef AMPEL_BASE_NUMBER_H
#define AMPEL_BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* One or more digits, at most max. */
bool number_parse(struct bytes b, uint64_t max, uint64_t *out);

/* A size in bytes: digits and an optional k or M (1024, 1024 * 1024). */
bool number_parse_size(struct bytes b, uint64_t *out_bytes);

/* A duration: digits and s, min, h or d; "0" needs no unit. */
bool number_parse_duration(struct bytes b, uint64_t *out_ms);

/*
 * A score: an optional sign, digits, an optional dot and digits, in
 * thousandths; more than three decimals are cut (towards zero). No exponent,
 * no NaN. At most 9 digits before the dot.
 */
bool number_parse_milli(struct bytes b, int64_t *out_milli);

struct buf;
/* 6100 is written 6.1, 5000 is 5.0: one decimal at least, three at most. */
void number_add_milli(struct buf *b, int64_t milli);

#endif
