/*
 * What a caller of qmail-queue hands over, whole: the message on descriptor 0, then the envelope
 * on descriptor 1. Header fields that only we may write are taken out of the message.
 */
#ifndef AMPEL_HIQ_HANDED_H
#define AMPEL_HIQ_HANDED_H

#include <stdint.h>

#include "base/arena.h"
#include "mail/envelope.h"
#include "proto/qmail_queue.h"

struct handed {
	int                   fd;         /* the message */
	uint64_t              size_bytes;
	struct qmail_envelope envelope;
};

/*
 * Blocks until both are there. scratch: folder for a large message. What is not OK is
 * the exit code: nothing is handed over then. handed_finish in any case.
 */
enum qmail_queue_code handed_read(
    struct handed *h, uint64_t message_max, const char *scratch);
void handed_finish(struct handed *h);

/* The same in our terms, in arena; views live as long as h too. False: no memory. */
bool handed_envelope(
    const struct handed *h, struct arena *arena, struct envelope *out);

#endif
