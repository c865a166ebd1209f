/*
 * Whether an account has a .qmail file for an extension. Only the account may look into its
 * home: its deliver process is asked, which the supervisor starts when there is none. It
 * ends when it is idle, which is no trouble: what is open then is asked again of the next.
 *
 * Whoever floods one account with guesses waits with those who write to it, nobody else:
 * questions are bounded for each account, and so is the number of processes that run, and of
 * those that are being started, because somebody guesses. A user may stop his process: one that
 * leaves a question without an answer has no more than one at a time.
 */
#ifndef AMPEL_LOOKUP_EXTENSIONS_H
#define AMPEL_LOOKUP_EXTENSIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "lookup/remembered.h"
#include "proto/message.h"

enum {
	EXTENSIONS_OPEN_MAX = 2000,       /* questions */
	EXTENSIONS_OPEN_ACCOUNT_MAX = 100, /* of one account */
	EXTENSIONS_WANTED_MAX = 64,       /* accounts for which a process is being started */
	EXTENSIONS_STARTED_MAX = 500,     /* processes that run because we wanted them */
	EXTENSIONS_TIMEOUT_MS = 30 * 1000,
	/*
	 * A process that has just ended idly costs two: its own end, and the supervisor's answer,
	 * who did not know of it yet.
	 */
	EXTENSIONS_TRIES = 3,
};

struct extensions;
struct extension_question;

/* want: ask the supervisor for a process of that account. NULL: no memory. */
struct extensions *extensions_new(
    uv_loop_t *loop, uint64_t seed, void (*want)(struct bytes user));
/* Nobody is told any more. NULL is allowed. */
void extensions_free(struct extensions *x);

/* A deliver process; takes its socket. */
void extensions_add_process(struct extensions *x, uint64_t serial, int socket);
/* The supervisor's answer to want. */
void extensions_deliver_for(
    struct extensions *x, const struct msg_deliver_for *m);

/* What was said a moment ago; TRY_LATER: it has to be asked. */
enum extension_answer extensions_recall(
    struct extensions *x, const struct extension *extension);

/* It may ask and forget others. */
typedef void extension_known(enum extension_answer answer, void *context);

/*
 * The answer comes from the loop. NULL: too many questions are open, or no memory: act as on
 * try later.
 */
struct extension_question *extensions_ask(struct extensions *x,
    const struct extension *extension, extension_known *known, void *context);
/* The asker is gone: the answer does not come. NULL is allowed. */
void extensions_forget(struct extension_question *q);

/* Questions that are open. */
size_t extensions_open(const struct extensions *x);

#endif
