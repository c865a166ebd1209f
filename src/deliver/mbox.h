/*
 * Delivery into an mbox: at the end of one file that its readers lock with flock(2). At least
 * once: a crash between the end of the write and the report has it written again.
 */
#ifndef AMPEL_DELIVER_MBOX_H
#define AMPEL_DELIVER_MBOX_H

#include <stdint.h>

#include "base/bytes.h"
#include "deliver/trace.h"

enum { MBOX_TEXT = 200 };

struct mbox_problem {
	int  error; /* an errno, or 0 */
	char text[MBOX_TEXT];
};

/*
 * A file beneath the home that is ours alone to write and has one name; it is made when it is
 * missing. -1 with a problem.
 */
int mbox_open(int home, struct bytes path, struct mbox_problem *problem);

enum mbox_result { MBOX_DEFERRED, MBOX_LOCKED, MBOX_DELIVERED };

/*
 * Lock and write, and leave the lock to the close. LOCKED: somebody else has it, try again in a
 * moment. DEFERRED, with a problem: the file is as it was.
 */
enum mbox_result mbox_deliver(int mbox, int body, uint64_t size_bytes,
    const struct trace *trace, struct mbox_problem *problem);

#endif
