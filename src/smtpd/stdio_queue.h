/*
 * A program in the place of qmail-queue, called as qmail.c calls it: the message on descriptor 0,
 * the envelope on 1, on 6 it may say why not; its exit code tells what became of it. Both
 * are whole files: nothing of it waits for us, and what it was given is never less than all.
 */
#ifndef AMPEL_SMTPD_STDIO_QUEUE_H
#define AMPEL_SMTPD_STDIO_QUEUE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "proto/qmail_queue.h"

struct stdio_queue {
	char       *program; /* NULL: ours, ampel-inject */
	const char *folder;  /* where it is started; NULL: here */
	int         timeout_ms;
};

struct stdio_queue_end {
	int    code;  /* or QMAIL_QUEUE_CRASHED, _LOST, _NOT_RUN, and _TIMEOUT when it was killed */
	pid_t  pid;
	char   text[QMAIL_QUEUE_TEXT_MAX];
	size_t text_bytes;
};

/*
 * Waits for its end, and no longer than timeout_ms. message and envelope stay the caller's; they
 * are read from their beginnings.
 */
struct stdio_queue_end stdio_queue_run(
    const struct stdio_queue *q, int message, int envelope);

#endif
