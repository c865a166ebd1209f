/*
 * What a process that delivers for the queue owes it: each job's outcome, kept until
 * the queue has acknowledged that it is in the store. When the queue is restarted, HELLO
 * tells it what is being done or has been done; then the outcomes follow.
 *
 *     DELIVER, REMOTE --> jobs_add --> JOB_WAITING --jobs_end--> JOB_DONE --FINISHED--> gone
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

/* First member of the program's own struct, which is made by malloc. */
struct job {
	struct job    *next, *before;       /* of all, in the order they came */
	struct job    *next_in_table;
	enum job_state state;
	struct id      id;
	uint32_t       recipient;
	uint64_t       token;
	struct outcome outcome;             /* once done; its texts are the job's: jobs_end copies them */
	char          *texts;
};

struct jobs;

struct jobs_calls {
	/*
	 * A job came (DELIVER or REMOTE, whole frame). Make it, taking fds[0] (set it to -1), or
	 * NULL: no memory, the queue gets it back. It is in jobs when `begin` comes.
	 */
	struct job *(*read)(struct bytes frame, int *fds, size_t n_fds, void *context);
	void        (*begin)(struct job *job, void *context);
	/* It is to be freed with all that is its own. A WAITING one that the queue calls finished is to be given up. */
	void        (*free)(struct job *job, void *context);
	/* The queue came or is gone, or the number of jobs has changed: time to end? */
	void        (*changed)(void *context);
};

/* type: MSG_DELIVER or MSG_REMOTE. NULL: no memory. */
struct jobs *jobs_new(uv_loop_t *loop, enum message_type type,
    const struct jobs_calls *calls, void *context);
void         jobs_free(struct jobs *j);
/* Takes the socket; replaces an older one. */
void         jobs_connect(struct jobs *j, int socket);
/* No new ones any more: they go back to the queue with our end. */
void         jobs_stop(struct jobs *j);
/* Its outcome is known; the queue is told, now or when there is one again. */
void         jobs_end(struct jobs *j, struct job *job, const struct outcome *outcome);

size_t jobs_waiting(const struct jobs *j);
size_t jobs_kept(const struct jobs *j); /* waiting, and done but not acknowledged */
bool   jobs_is_connected(const struct jobs *j);

#endif
