/*
 * An enhanced status code, RFC 3463: class.subject.detail.
 */
#ifndef AMPEL_MAIL_STATUS_H
#define AMPEL_MAIL_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct buf;

struct status {
	uint8_t  class; /* 2, 4 or 5; 0 means none */
	uint16_t subject;
	uint16_t detail;
};

#define STATUS(c, s, d) ((struct status){ (c), (s), (d) })

/* "5.7.1"; class 2, 4 or 5, the others up to three digits. */
bool status_parse(struct bytes text, struct status *out);
void status_add(struct buf *b, struct status status);

#endif
