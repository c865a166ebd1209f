/*
 * The forwards of a .qmail file: one message to all of its addresses, which is handed to the
 * queue with the outcome, when all other lines have done well.
 */
#ifndef AMPEL_DELIVER_FORWARD_H
#define AMPEL_DELIVER_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "deliver/trace.h"
#include "mail/id.h"

struct forward {
	struct buf targets; /* a list made with frame_add_bytes */
	uint32_t   n;
};

void forward_init(struct forward *f);
void forward_finish(struct forward *f);

/*
 * One more: an address, or a name at our host. False: it is neither, or the list is full.
 */
bool forward_add(struct forward *f, struct bytes text, struct bytes hostname);

/* For whom. */
struct forward_owner {
	int          home;
	struct bytes local, host, dash, ext;
	struct bytes reverse_path;
};

/*
 * The reverse-path of what is forwarded (NEWSENDER): where there is a file .qmail-EXT-owner,
 * LOCAL-owner@HOST; where there is .qmail-EXT-owner-default too, its form of mail/verp.h; else
 * the message's own, as is the null one. -1 with errno.
 */
int forward_add_sender(struct buf *b, const struct forward_owner *owner);

/* A sealed memory file: Delivered-To on top of the message. -1 with errno. */
int forward_message(int body, uint64_t size_bytes, const struct trace *trace,
    uint64_t *forward_bytes);

/* Of the forward that this recipient of the message causes: the same in each attempt. */
struct id forward_id(const struct id *id, uint32_t recipient);

#endif
