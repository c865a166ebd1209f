/*
 * An envelope as bytes: between processes and in the store. The first byte is the
 * version of this form; an unknown one is refused.
 */
#ifndef AMPEL_PROTO_ENVELOPE_WIRE_H
#define AMPEL_PROTO_ENVELOPE_WIRE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mail/envelope.h"

enum { ENVELOPE_RECIPIENTS_MAX = 100 * 1000, ENVELOPE_WIRE_MAX = 64 * 1024 * 1024 };

void envelope_add(struct buf *b, const struct envelope *e);
/* The views borrow from wire; only the array of recipients is taken from arena. */
bool envelope_read(struct bytes wire, struct arena *arena, struct envelope *out);

#endif
