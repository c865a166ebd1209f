/*
 * What the queue has given to us: recipients that wait for a batch, and those that
 * have their outcome. A job is kept until the queue says that the outcome is in its
 * store, or, when the queue dies, until another one has heard of it and says so.
 */
#ifndef AMPEL_DELIVER_JOBS_H
#define AMPEL_DELIVER_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/id.h"
#include "mail/outcome.h"

struct msg_deliver;

struct job {
	struct job    *next;
	struct id      id;
	uint32_t       recipient;
	uint64_t       token;
	bool           repeated;     /* an earlier attempt may have delivered it */
	bool           is_yellow;
	struct bytes   user;         /* these views live in memory */
	struct bytes   address;
	struct bytes   reverse_path;
	uint64_t       size_bytes;
	int            body;         /* -1: closed */
	bool           is_done;
	struct outcome outcome;      /* counts when is_done; its text may be in text */
	char           text[128];
	char           memory[];
};

/* Zeroed is empty. In the order in which they came. */
struct jobs {
	struct job  *first;
	struct job **last; /* NULL: empty */
	size_t       n;
};

/* Takes the body's descriptor unless NULL is returned: no memory. */
struct job *jobs_add(struct jobs *jobs, const struct msg_deliver *m,
    const struct id *id, int body);
struct job *jobs_find(
    const struct jobs *jobs, const struct id *id, uint32_t recipient);
/* Calm when there is no such job. */
void jobs_remove(struct jobs *jobs, const struct id *id, uint32_t recipient);
void jobs_finish(struct jobs *jobs);

/* The frame that names them all to a new queue. */
void jobs_add_hello(struct buf *frame, const struct jobs *jobs);
/* The frame that tells the outcome of one. */
void job_add_outcome(struct buf *frame, const struct job *job);

void job_close_body(struct job *job);
/* text lives as long as the job. */
void job_end(struct job *job, enum outcome_kind kind, struct status status,
    const char *text);
/* Deferred because the kernel said so: "what: why". */
void job_defer(struct job *job, const char *what, int error);

#endif
