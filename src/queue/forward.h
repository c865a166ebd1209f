/*
 * A message that a delivery causes, a forward of a .qmail file: from the outcome that brings it
 * until the transaction that ends the recipient has stored it. Deliver runs as the user, so
 * nothing that it says is believed.
 */
#ifndef AMPEL_QUEUE_FORWARD_H
#define AMPEL_QUEUE_FORWARD_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "proto/message.h"
#include "queue/store.h"

enum { FORWARD_TARGETS_MAX = 20 * 1000 };

struct forward {
	struct store_put put;      /* once it is completed; the rest is what it points to */
	struct envelope  envelope;
	struct arena     arena;
	struct buf       targets;
	int              body;
};

enum forward_result {
	FORWARD_NONE,      /* the outcome causes none */
	FORWARD_READ,
	FORWARD_UNUSABLE,  /* too large, or no memory */
	FORWARD_MALFORMED,
};

/*
 * The forward of an outcome. A descriptor that it takes becomes -1. max_bytes: of a message
 * here; one that came is a little larger by what deliver puts in front.
 */
enum forward_result forward_read(const struct msg_outcome *m, int *fds,
    size_t n_fds, uint64_t max_bytes, struct forward **out);
/* Once it is known whose end it goes with: f->put is whole. */
void forward_complete(
    struct forward *f, const struct store_lease *from, uint64_t now_ms);
/* NULL is allowed. */
void forward_free(struct forward *f);

#endif
