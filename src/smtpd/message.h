/*
 * Mail data on its way to a descriptor: a memory file at first; an unlinked file
 * once it is large, or when the worker's share of memory is used up.
 */
#ifndef AMPEL_SMTPD_MESSAGE_H
#define AMPEL_SMTPD_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum {
	MESSAGE_IN_MEMORY_MAX = 1024 * 1024,
	MESSAGE_PENDING_MAX = 32 * 1024, /* what one write(2) carries */
};

/* What the messages of one worker share. */
struct message_memory {
	uint64_t    used, max;
	const char *directory; /* for large ones; NULL: there is none */
};

/* Zeroed but for fd = -1 it is not open. */
struct message {
	struct message_memory *memory;
	int                    fd;
	bool                   is_on_disk;
	uint64_t               size_bytes; /* all that was added */
	uint64_t               charged;    /* of memory->used */
	struct buf             pending;    /* added and not yet written */
};

void message_init(struct message *m);
/* False: no file can be had. */
bool message_open(struct message *m, struct message_memory *memory);
/* False: it cannot be stored; it is dropped then. */
bool message_add(struct message *m, struct bytes part);
/* Whole: written, and sealed when it is in memory. False: as above. */
bool message_seal(struct message *m);
/*
 * The file was handed on: it is closed here. Its memory is still in use, until
 * message_drop.
 */
void message_handed_on(struct message *m);
/* Calm when it is not open. */
void message_drop(struct message *m);

#endif
