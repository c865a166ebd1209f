/*
 * Notifications of what became of recipients. Each is stored in the transaction that ends
 * the first of its recipients; the others end after it is there, so that no kill can take
 * a recipient whose sender has not been told. Recipients of one message that end at about
 * the same time share one.
 */
#ifndef AMPEL_QUEUE_NOTICES_H
#define AMPEL_QUEUE_NOTICES_H

#include <stdbool.h>
#include <uv.h>

#include "queue/store.h"

struct flight;
struct notice;
struct schedule;

struct notices {
	struct schedule *schedule;
	struct notice   *first; /* gathering, oldest first */
	uv_timer_t       timer;
	bool             is_hurried;
};

void notices_init(struct notices *n, struct schedule *s);

/*
 * It is decided what became of f. True: somebody is to be told; end will be committed with
 * that, or after it. False: nobody is, commit it.
 */
bool notices_take(
    struct notices *n, struct flight *f, const struct store_finish *end);
/*
 * The FINISH of a flight that has a notice came back, not UNKNOWN. False: the notice could
 * not be stored, another FINISH of the flight is on its way, which changes nothing for good.
 */
bool notices_written(
    struct notices *n, struct flight *f, enum store_result result);
/* We stop: none is waited for any more. */
void notices_hurry(struct notices *n);

#endif
