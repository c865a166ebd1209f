/*
 * A message on its way to the judge or the queue: from the final dot to the answer,
 * which it outwaits even when its session does not. It writes the message's final
 * line into the log.
 */
#ifndef AMPEL_SMTPD_HANDOVER_H
#define AMPEL_SMTPD_HANDOVER_H

#include "mail/envelope.h"
#include "service/submit.h"
#include "smtpd/message_file.h"

struct handover;

/* Once, never from inside handover_begin, unless it was abandoned. */
typedef void handover_answer(const struct submit_result *result, void *context);

/*
 * The envelope is copied, the file (sealed) is taken. NULL: it could not be sent; the
 * file is then still the caller's.
 */
struct handover *handover_begin(struct submit_client *client,
    const struct envelope *envelope, struct message_file *file,
    handover_answer *answer, void *context);

/*
 * Nobody waits for the answer any more: the message is called back, and if that comes
 * too late the log says so.
 */
enum handover_end {
	HANDOVER_CLIENT_GONE,
	HANDOVER_TOO_LATE, /* the client is told 451 */
};

void handover_abandon(struct handover *h, enum handover_end end);

/* What was accepted, rejected and deferred so far. */
struct handover_counts {
	uint64_t accepted, rejected, deferred;
};

struct handover_counts handover_counts(void);

#endif
