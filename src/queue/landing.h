/*
 * How a flight ends: what became of it is written into the store, with what that causes;
 * or it goes back as if it had never been out.
 */
#ifndef AMPEL_QUEUE_LANDING_H
#define AMPEL_QUEUE_LANDING_H

#include <stdbool.h>

#include "mail/outcome.h"
#include "queue/desk.h"
#include "queue/flight.h"

/*
 * An outcome of a flight, with the forward that f has then; its texts are copied. Deferred: it is
 * planned when it is tried again.
 */
void landing_outcome(struct flight *f, const struct outcome *outcome);
void landing_fail(struct flight *f, struct status status, struct bytes why);
/* Nothing is wrong with the message: a neighbour is being restarted. */
void landing_try_soon(struct flight *f, struct bytes why);
/*
 * It is decided what became of it: the store is to write that, and what it causes. All that
 * finish points to lives in f->arena or the lease.
 */
void landing_finish(struct flight *f, const struct store_finish *finish);
/* Back into the store without an outcome; perhaps it was delivered unreported. */
void landing_release(struct flight *f, bool attempted);

/* --- for those who take part in it --- */

/* Write it as it is, nobody else is to be told. */
void landing_commit(struct flight *f, const struct store_finish *finish);
/* A commit that came back UNKNOWN: once more, but a disk that is full gets a pause. */
void landing_again(struct schedule *s, struct desk_request *r);
/* The flight is over: freed, and its room given to the next. */
void landing_end(struct flight *f);

#endif
