/*
 * How many octets a message has on the wire: what RETR sends for the text as it is stored,
 * without the dots (RFC 1939 section 11).
 */
#ifndef AMPEL_MAILBOX_OCTETS_H
#define AMPEL_MAILBOX_OCTETS_H

#include <stdint.h>

#include "base/bytes.h"

/* Zeroed at the start of a message. */
struct octets {
	uint64_t n;    /* so far */
	char     last; /* byte, '\0' before the first */
};

/* A piece of the text, cut anywhere. */
void     octets_feed(struct octets *o, struct bytes piece);
uint64_t octets_end(const struct octets *o);

#endif
