/*
 * Who runs hi-q in the place of qmail-queue: what he gave us (descriptors, signals), whether he
 * is still there, and the words that he may read on descriptor 6.
 */
#ifndef AMPEL_HIQ_CALLER_H
#define AMPEL_HIQ_CALLER_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "base/bytes.h"

enum {
	CALLER_MESSAGE = 0,
	CALLER_ENVELOPE = 1,
	CALLER_TEXT = 6,       /* notqmail 1.09: the text of exit code 82 */
	CALLER_TEXT_MAX = 255, /* bytes that he reads of it */
	CALLER_SIGNALS = 2,    /* that we set otherwise than he did */
};

struct caller {
	bool             has_message, has_envelope, has_text; /* open at the start */
	bool             is_taken;
	pid_t            pid;
	sigset_t         mask;
	struct sigaction actions[CALLER_SIGNALS];

	uv_poll_t        poll; /* on a set of what says that he is gone */
	void           (*gone)(void *context);
	void            *context;
};

/* Before anything is opened. Standard error is there from now on. */
void caller_meet(struct caller *c);

/*
 * His descriptors are for us alone, no child and no successor has them; SIGPIPE kills nobody;
 * his death is SIGTERM. False: he is dead.
 */
bool caller_take(struct caller *c);

/*
 * From now on SIGTERM, SIGINT, SIGHUP and a descriptor 6 that nobody reads mean that he is gone,
 * of which gone is told from the loop, and the signals do not kill. False: no memory.
 */
bool caller_watch(struct caller *c, uv_loop_t *loop, void (*gone)(void *context),
    void *context);

/* For whom we become: descriptor 6 and signals are as he gave them. */
void caller_give_back(struct caller *c);

/* Write text on descriptor 6. False: he does not read there. */
bool caller_tell(const struct caller *c, struct bytes text);

#endif
