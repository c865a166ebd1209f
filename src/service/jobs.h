/*
 * What a process that delivers for the queue owes it: each job's outcome, kept until
 * the queue has acknowledged that it is in the store. When the queue is restarted, HELLO
 * tells it what is being done or has been done; then the outcomes follow.
 *
 *     DELIVER, REMOTE --> begin --> JOB_WAITING --jobs_end--> JOB_DONE --FINISHED--> free
 *                                       \--jobs_drop, FINISHED--> free
 */
#ifndef AMPEL_SERVICE_JOBS_H
#define AMPEL_SERVICE_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/id.h"
#include "mail/outcome.h"
#include "proto/message.h"

enum { JOBS_MAX = 2000 }; /* their list must fit into HELLO */

enum job_state { JOB_WAITING, JOB_DONE };

/* First member of the program's own struct, which is made by `read`. */
struct job {
	struct job    *next, *before;  /* of all, in the order they came */
	struct job    *next_in_table;
	enum job_state state;
	struct id      id;             /* these three are set by `read` */
	uint32_t       recipient;
	uint64_t       token;
	struct outcome outcome;        /* once done; its texts are the job's */
	char          *texts;
	struct job_forward *forward; /* once done, jobs' own; NULL: none */
};

/*
 * A message that a delivery causes: a forward of a .qmail file. It is stored in the transaction
 * that ends the job, or neither is; an id that was stored before is not stored twice.
 */
struct job_forward {
	struct id    id;
	struct bytes reverse_path; /* canonical; empty: the null one; or mail/verp.h */
	struct bytes targets;      /* of n canonical addresses, a list made with frame_add_bytes */
	uint32_t     n;
	int          message;      /* a sealed memory file, jobs' from now on */
	uint64_t     size_bytes;
};

struct jobs;

struct jobs_calls {
	/*
	 * The frame of a job, DELIVER or REMOTE, with the one descriptor that came along.
	 * Make it, taking that (set it to -1). NULL: malformed, or no memory; the queue
	 * is hung up on and does it all again. It is in jobs when `begin` comes; when it was
	 * there before, `free` comes.
	 */
	struct job *(*read)(struct bytes frame, int *fd, void *context);
	void        (*begin)(struct job *job, void *context);
	/* Free it with all that is its own. While WAITING it is to be given up. */
	void        (*free)(struct job *job, void *context);
	/*
	 * The queue is gone; the next one has what is dropped now done anew, and waits
	 * for what is kept. May be NULL.
	 */
	void        (*lost)(void *context);
	/* Everything is to be tried now, whatever was found out before. May be NULL. */
	void        (*retry)(void *context);
	/* The queue came or is gone, or a job has come to an end: time to end? */
	void        (*changed)(void *context);
};

/* type: MSG_DELIVER or MSG_REMOTE. calls lives as long. NULL: no memory. */
struct jobs *jobs_new(uv_loop_t *loop, enum message_type type,
    const struct jobs_calls *calls, void *context);
/* Frees every job; what was not acknowledged, the queue has done again. NULL is allowed. */
void         jobs_free(struct jobs *j);
/* Takes the socket; replaces an older one. */
void         jobs_connect(struct jobs *j, int socket);
/* No new ones any more: they go back to the queue with our end. */
void         jobs_stop(struct jobs *j);
/*
 * The outcome of a WAITING job is known, and copied; the queue is told, now or when
 * there is one again. The job lives on, to be freed at any later time.
 */
void         jobs_end(struct jobs *j, struct job *job, const struct outcome *outcome);
/*
 * The same of one that is DELIVERED and causes a message, which is copied and its file taken.
 * Without memory for that it is DEFERRED instead.
 */
void         jobs_end_forwarding(struct jobs *j, struct job *job,
    const struct outcome *outcome, const struct job_forward *forward);
/*
 * A WAITING job was not begun, or so that nobody will ever know: forget and free it. Only
 * when the queue is gone, or when we end.
 */
void         jobs_drop(struct jobs *j, struct job *job);

size_t jobs_waiting(const struct jobs *j);
size_t jobs_kept(const struct jobs *j); /* waiting, and done but not acknowledged */
bool   jobs_is_connected(const struct jobs *j);

#endif
