/*
 * Submission of a message: one interface, offered by hiq and by queue, used by
 * smtpd and by hiq (DESIGN section 3.4).
 *
 * Credits: the server grants how many submissions may be on their way. A client
 * without credit keeps its submissions, in order, until a RESULT or CREDIT comes;
 * what waits too long is the asker's to cancel.
 */
#ifndef AMPEL_SERVICE_SUBMIT_H
#define AMPEL_SERVICE_SUBMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "mail/envelope.h"
#include "mail/status.h"

/* --- the client --- */

struct submit_client;
struct submission;

struct submit_result {
	uint16_t      code;   /* 250: it is safe */
	struct status status;
	struct bytes  text;   /* borrowed for the call */
};

typedef void submit_done(const struct submit_result *result, void *context);

struct submit_client *submit_client_new(uv_loop_t *loop);
void                  submit_client_free(struct submit_client *c);

/*
 * Connect to a server, taking the socket. An older connection ends: whatever is open on
 * it is answered 451 4.3.0 ("may or may not be there").
 */
void submit_client_connect(struct submit_client *c, int socket);

/*
 * Hand over a message. The envelope is copied; fd (sealed, or on disk) stays the
 * caller's and may be closed at once. done comes exactly once, never from inside this call,
 * unless it is cancelled. NULL: no memory or too much waits; answer 451.
 */
struct submission *submit_send(struct submit_client *c,
    const struct envelope *envelope, int fd, submit_done *done, void *context);

/*
 * The client is gone. True: it had not been sent, nothing happens, done does not
 * come. False: CANCEL was sent; done still comes and says what happened.
 */
bool submit_cancel(struct submission *s);

/* --- the server --- */

struct submit_server;
struct submit_job; /* one submission that waits for its RESULT */

/*
 * A submission came. envelope lives as long as the job; fd is the job's, checked: sealed, or
 * a file that was copied into a sealed memory file or an unlinked one.
 */
typedef void submit_received(struct submit_job *job, void *context);
/* The client cancelled, or is gone. The job goes on to live until its submit_answer. */
typedef void submit_cancelled(struct submit_job *job, void *context);

/* credits: for each client. scratch: folder for large copies. */
struct submit_server *submit_server_new(uv_loop_t *loop, uint32_t credits,
    uint64_t max_bytes, const char *scratch, submit_received *received,
    submit_cancelled *cancelled, void *context);
/* Another client, taking the socket. */
bool submit_server_add(struct submit_server *s, int socket);
/* From now on messages of at most that many bytes. */
void submit_server_limit(struct submit_server *s, uint64_t max_bytes);
/* How many jobs are open. */
size_t submit_server_jobs(const struct submit_server *s);
void submit_server_free(struct submit_server *s);

const struct envelope *submit_job_envelope(const struct submit_job *job);
int                    submit_job_fd(const struct submit_job *job);
bool                   submit_job_is_cancelled(const struct submit_job *job);
/* For whoever works on it. */
void                  *submit_job_context(const struct submit_job *job);
void                   submit_job_set_context(struct submit_job *job, void *context);

/* Send the RESULT (nowhere when the client is gone) and free the job. */
void submit_answer(struct submit_job *job, const struct submit_result *result);

#endif
