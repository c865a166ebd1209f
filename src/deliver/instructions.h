/*
 * One delivery as the user's .qmail file has it: its lines are obeyed one after the other,
 * forwards last. What a line comes to decides whether the next one's turn comes:
 *
 *     next: home and file are looked at, and whether it is a loop; then line by line
 *           WAIT: for a program or a lock, until `ready` comes; then next
 *           INBOX, MAILDIR: the caller delivers; instructions_delivered; then next
 *           END: the outcome is known
 */
#ifndef AMPEL_DELIVER_INSTRUCTIONS_H
#define AMPEL_DELIVER_INSTRUCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "deliver/commands.h"
#include "deliver/folder.h"
#include "mail/id.h"
#include "mail/outcome.h"
#include "service/jobs.h"

/* What all of a process share. */
struct instructions_shared {
	uv_loop_t       *loop;
	struct commands *commands;
	size_t           n_locking; /* that wait for the lock of an mbox */
	size_t           n_bytes;   /* of all files that are obeyed, and their lines */
	uint64_t         n_forwarding; /* bytes of what is forwarded, until the queue has stored it */
};

/* Who gets what; copied, but for body, which stays the caller's and open. */
struct instructions_case {
	const char  *home;
	struct bytes login;        /* what programs are told that he is called */
	struct bytes local, host;  /* of the address, as Delivered-To has it */
	struct bytes recipient;    /* local@host */
	struct bytes dash, ext;
	struct bytes reverse_path;
	struct bytes hostname;     /* ours */
	struct id    id;
	uint32_t     number;       /* of the recipient */
	int          body;
	uint64_t     size_bytes;
	uint64_t     timeout_ms;   /* of each program */
};

enum instructions_next {
	INSTRUCTIONS_WAIT,    /* ready will be called, then call next again */
	INSTRUCTIONS_INBOX,   /* deliver as if there were no .qmail file */
	INSTRUCTIONS_MAILDIR, /* deliver into instructions_folder */
	INSTRUCTIONS_END,
};

struct instructions;

/* NULL: no memory. */
struct instructions *instructions_new(struct instructions_shared *shared,
    const struct instructions_case *given, void (*ready)(void *context),
    void *context);
/* A program that runs is killed. NULL is allowed. */
void instructions_free(struct instructions *in);

enum instructions_next instructions_next(struct instructions *in);
/* After MAILDIR, until instructions_delivered closes it. */
struct folder *instructions_folder(struct instructions *in);
/* What INBOX or MAILDIR came to. */
void instructions_delivered(
    struct instructions *in, const struct outcome *outcome);

/* Whether a line may have been obeyed in an earlier attempt, and a Maildir of it be found. */
bool instructions_may_be_repeated(const struct instructions *in, uint64_t now_ms);

/* At the END; views of in. NULL: nothing is forwarded. Its message is the caller's to take. */
const struct outcome *instructions_outcome(const struct instructions *in);
struct job_forward   *instructions_forward(struct instructions *in);

#endif
