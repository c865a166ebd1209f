#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "io/memfile.h"
#include "io/peer.h"
#include "proto/envelope_wire.h"
#include "proto/message.h"
#include "service/submit.h"

struct client {
	struct client        *next, *before;
	struct submit_server *server;
	struct peer          *peer;
	uint32_t              n_jobs;
};

struct submit_job {
	struct submit_job    *next, *before;
	struct submit_server *server;
	struct client        *client; /* NULL: it is gone */
	uint64_t              q;
	int                   fd;
	bool                  is_cancelled;
	void                 *context;
	struct envelope       envelope; /* borrows from wire and arena */
	struct arena          arena;
	struct buf            wire;
};

struct submit_server {
	uv_loop_t        *loop;
	uint32_t          credits;
	uint64_t          max_bytes;
	const char       *scratch;
	submit_received  *received;
	submit_cancelled *cancelled;
	void             *context;
	struct client     clients; /* ring */
	struct submit_job jobs;    /* ring, in the order of arrival */
	size_t            n_jobs;
};

/* --- jobs --- */

static void
free_job(struct submit_job *job)
{
	job->before->next = job->next;
	job->next->before = job->before;
	job->server->n_jobs--;
	if (job->client)
		job->client->n_jobs--;
	if (job->fd >= 0)
		close(job->fd);
	arena_finish(&job->arena);
	buf_finish(&job->wire);
	free(job);
}

static struct submit_job *
new_job(struct client *client, uint64_t q)
{
	struct submit_server *s = client->server;
	struct submit_job    *job = calloc(1, sizeof *job);

	if (job == NULL)
		return NULL;
	job->server = s;
	job->client = client;
	job->q = q;
	job->fd = -1;
	buf_init(&job->wire, ENVELOPE_WIRE_MAX);
	arena_init(&job->arena, ENVELOPE_WIRE_MAX);
	job->next = &s->jobs;
	job->before = s->jobs.before;
	job->before->next = job;
	s->jobs.before = job;
	s->n_jobs++;
	client->n_jobs++;
	return job;
}

/* A file that somebody may still write is copied: only the copy is used. */
static int
copy_message(const struct submit_server *s, int from, uint64_t size)
{
	int to = s->scratch ? memfile_new_on_disk(s->scratch)
	                    : memfile_new("message");

	if (to >= 0 && memfile_copy(from, size, to) == 0)
		return to;
	if (to >= 0)
		close(to);
	return -1;
}

/*
 * Take the descriptors of a SUBMIT over. False when the message cannot be used:
 * it is answered 451 and nothing is stored.
 */
static bool
fill_job(struct submit_job *job, const struct msg_submit *m, int *fds)
{
	const struct submit_server *s = job->server;
	uint64_t                    size;

	switch (memfile_check(fds[0], s->max_bytes, &size)) {
	case MEMFILE_SEALED:
		job->fd = fds[0];
		fds[0] = -1;
		break;
	case MEMFILE_OPEN:
		job->fd = copy_message(s, fds[0], size);
		break;
	case MEMFILE_BAD:
		break;
	}
	if (job->fd < 0)
		return false;
	if (m->is_large && memfile_read(fds[1], 0, &job->wire) != 0)
		return false;
	if (!m->is_large)
		buf_add_bytes(&job->wire, m->envelope);
	if (job->wire.failed ||
	    !envelope_read(buf_bytes(&job->wire), &job->arena, &job->envelope))
		return false;
	return job->envelope.size_bytes == size &&
	    job->envelope.n_recipients > 0;
}

static bool
on_submit(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	static const struct submit_result unusable = {
		.code = 451,
		.status = { 4, 3, 0 },
		.text = BYTES_INIT("message could not be taken over"),
	};
	struct client     *client = context;
	struct msg_submit  m;
	struct submit_job *job;

	(void)peer;
	if (!msg_submit_read(frame, &m) || n_fds != (m.is_large ? 2U : 1U))
		return false;
	if (client->n_jobs >= client->server->credits)
		return false; /* more than it was granted */
	job = new_job(client, m.q);
	if (job == NULL)
		return false;
	if (fill_job(job, &m, fds))
		client->server->received(job, client->server->context);
	else
		submit_answer(job, &unusable);
	return true;
}

static void
cancel(struct submit_job *job)
{
	if (job->is_cancelled)
		return;
	job->is_cancelled = true;
	job->server->cancelled(job, job->server->context);
}

static bool
on_cancel(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct client        *client = context;
	struct submit_server *s = client->server;
	struct msg_cancel     m;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_cancel_read(frame, &m))
		return false;
	for (struct submit_job *job = s->jobs.next; job != &s->jobs;
	     job = job->next)
		if (job->client == client && job->q == m.q) {
			cancel(job);
			break;
		}
	return true; /* its RESULT may be on the way: that is no fault */
}

static const struct peer_permit permits[] = {
	{ MSG_SUBMIT, NULL, on_submit, 2 },
	{ MSG_CANCEL, NULL, on_cancel, 0 },
};

/* --- clients --- */

/* A job of client that nobody has cancelled yet. */
static struct submit_job *
find_open_job(const struct client *client)
{
	struct submit_server *s = client->server;

	for (struct submit_job *job = s->jobs.next; job != &s->jobs;
	     job = job->next)
		if (job->client == client)
			return job;
	return NULL;
}

static void
drop_client(struct client *client)
{
	struct submit_job *job;

	peer_close(client->peer);
	client->before->next = client->next;
	client->next->before = client->before;
	while ((job = find_open_job(client)) != NULL) {
		job->client = NULL;
		cancel(job); /* which may answer, and free, the job */
	}
	free(client);
}

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	(void)peer;
	(void)why;
	drop_client(context);
}

bool
submit_server_add(struct submit_server *s, int socket)
{
	struct client *client = calloc(1, sizeof *client);
	struct buf     frame;

	if (client == NULL)
		return false;
	client->server = s;
	client->peer = peer_open(s->loop, socket, permits,
	    sizeof permits / sizeof permits[0], on_gone, client);
	if (client->peer == NULL) {
		free(client);
		return false;
	}
	client->next = &s->clients;
	client->before = s->clients.before;
	client->before->next = client;
	s->clients.before = client;
	buf_init(&frame, FRAME_MAX);
	msg_credit_add(&frame, &(struct msg_credit){ s->credits });
	peer_send(client->peer, buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
	return true;
}

struct submit_server *
submit_server_new(uv_loop_t *loop, uint32_t credits, uint64_t max_bytes,
    const char *scratch, submit_received *received,
    submit_cancelled *cancelled, void *context)
{
	struct submit_server *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	*s = (struct submit_server){
		.loop = loop,
		.credits = credits,
		.max_bytes = max_bytes,
		.scratch = scratch,
		.received = received,
		.cancelled = cancelled,
		.context = context,
	};
	s->clients.next = s->clients.before = &s->clients;
	s->jobs.next = s->jobs.before = &s->jobs;
	return s;
}

void
submit_server_free(struct submit_server *s)
{
	if (s == NULL)
		return;
	while (s->clients.next != &s->clients) {
		struct client *client = s->clients.next;

		peer_close(client->peer);
		client->before->next = client->next;
		client->next->before = client->before;
		free(client);
	}
	while (s->jobs.next != &s->jobs) {
		s->jobs.next->client = NULL;
		free_job(s->jobs.next);
	}
	free(s);
}

void
submit_server_limit(struct submit_server *s, uint64_t max_bytes)
{
	s->max_bytes = max_bytes;
}

size_t
submit_server_jobs(const struct submit_server *s)
{
	return s->n_jobs;
}

/* --- what a job is asked --- */

const struct envelope *
submit_job_envelope(const struct submit_job *job)
{
	return &job->envelope;
}

int
submit_job_fd(const struct submit_job *job)
{
	return job->fd;
}

bool
submit_job_is_cancelled(const struct submit_job *job)
{
	return job->is_cancelled;
}

void *
submit_job_context(const struct submit_job *job)
{
	return job->context;
}

void
submit_job_set_context(struct submit_job *job, void *context)
{
	job->context = context;
}

void
submit_answer(struct submit_job *job, const struct submit_result *result)
{
	struct msg_result m = {
		.q = job->q,
		.code = result->code,
		.class = result->status.class,
		.subject = result->status.subject,
		.detail = result->status.detail,
		.text = bytes_first(result->text, 1024),
	};
	struct buf frame;

	if (job->client) {
		buf_init(&frame, FRAME_MAX);
		msg_result_add(&frame, &m);
		peer_send(job->client->peer, buf_bytes(&frame), NULL, 0);
		buf_finish(&frame);
	}
	free_job(job);
}
