/*
 * A message that was handed over and whose result is not known yet. It outlives
 * its session when the client leaves too late to stop it: then the log alone
 * hears what became of it.
 */
#ifndef AMPEL_SMTPD_COMMIT_H
#define AMPEL_SMTPD_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/envelope.h"
#include "service/submit.h"

struct commit;

/* All those of one worker. */
struct commits {
	struct submit_client *door; /* hiq, or the queue */
	size_t                n_open;
	uint64_t              n_accepted, n_rejected, n_deferred;
	/* The last open one is gone. */
	void                (*emptied)(void *context);
	void                 *context;
};

/* The result, once. The commit dies with this call. */
typedef void commit_done(const struct submit_result *result, void *context);

enum commit_leaving {
	COMMIT_CLIENT_GONE,
	COMMIT_GIVEN_UP, /* it took too long: the client was told 451 */
};

/* fd stays the caller's. NULL: no memory, answer 451. */
struct commit *commit_begin(struct commits *all, const struct envelope *envelope,
    int fd, commit_done *done, void *context);
/* Nobody waits for it any more; done does not come. */
void commit_leave(struct commit *c, enum commit_leaving why);

#endif
