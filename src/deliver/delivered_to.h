/*
 * Whether a message has been delivered to a recipient before: its header section
 * holds a field "Delivered-To:" with his address. Then it goes in a circle.
 */
#ifndef AMPEL_DELIVER_DELIVERED_TO_H
#define AMPEL_DELIVER_DELIVERED_TO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

enum { DELIVERED_TO_FIELD = 512 }; /* a longer field is none of ours */

/* Zeroed but for the recipient at the start of a message. */
struct delivered_to {
	struct bytes recipient;  /* canonical */
	bool         is_found;
	bool         is_over;    /* the header section has ended */
	bool         is_in_line; /* a line has begun and not ended */
	bool         is_skipped; /* the field is no Delivered-To */
	size_t       n;
	char         field[DELIVERED_TO_FIELD]; /* so far, unfolded */
};

/* A piece of the message, cut anywhere. */
void delivered_to_feed(struct delivered_to *d, struct bytes piece);
/* The message has ended: whether the field was there. */
bool delivered_to_end(struct delivered_to *d);

#endif
