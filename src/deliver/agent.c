#include "deliver/agent.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deliver/batch.h"
#include "deliver/jobs.h"
#include "io/log.h"
#include "io/peer.h"
#include "proto/message.h"

enum { JOBS_MAX = 2048 }; /* all fit into a HELLO; the queue's window is smaller */

struct agent {
	uv_loop_t     *loop;
	uv_check_t     turn; /* runs behind the frames of a turn of the loop */
	struct homes  *homes;
	struct bytes   hostname;
	agent_changed *changed;
	struct peer   *queue; /* NULL: not connected */
	struct jobs    jobs;
	size_t         waiting; /* of them, without an outcome */
	uint64_t       busy_ms;
	struct batch   batch;
};

static void
send_frame(struct agent *a, struct buf *frame)
{
	if (a->queue && !frame->failed)
		peer_send(a->queue, buf_bytes(frame), NULL, 0);
	buf_clear(frame);
}

static void
send_outcome(struct agent *a, const struct job *job)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	job_add_outcome(&frame, job);
	send_frame(a, &frame);
	buf_finish(&frame);
}

/* --- batches --- */

static void
fill(struct agent *a)
{
	batch_begin(&a->batch, a->homes, a->hostname);
	for (struct job *job = a->jobs.first; job; job = job->next)
		if (!job->is_done && !batch_add(&a->batch, job))
			return;
}

static void
report(struct agent *a)
{
	for (size_t i = 0; i < a->batch.n; i++)
		send_outcome(a, a->batch.entries[i].job);
}

static void
on_turn(uv_check_t *turn)
{
	struct agent *a = turn->data;

	while (a->waiting > 0) {
		fill(a);
		batch_deliver(&a->batch);
		a->waiting -= a->batch.n;
		report(a);
	}
	uv_check_stop(turn);
	uv_update_time(a->loop);
	a->busy_ms = uv_now(a->loop);
}

/* --- what the queue says --- */

static bool
read_id(struct bytes b, struct id *id)
{
	if (b.n != ID_BITS)
		return false;
	memcpy(id->bits, b.p, ID_BITS);
	return true;
}

/* We have it already: the queue asks for its outcome, in the name of a new lease. */
static void
deliver_again(struct agent *a, struct job *job, uint64_t token)
{
	job->token = token;
	if (job->is_done)
		send_outcome(a, job);
}

static bool
on_deliver(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct agent      *a = context;
	struct msg_deliver m;
	struct id          id;
	struct job        *job;

	(void)peer;
	if (!msg_deliver_read(frame, &m) || n_fds != 1 || !read_id(m.id, &id))
		return false;
	job = jobs_find(&a->jobs, &id, m.recipient);
	if (job) {
		deliver_again(a, job, m.token);
		return true;
	}
	if (a->jobs.n == JOBS_MAX || jobs_add(&a->jobs, &m, &id, fds[0]) == NULL)
		return false;
	fds[0] = -1;
	a->waiting++;
	uv_check_start(&a->turn, on_turn);
	return true;
}

static bool
on_finished(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct agent       *a = context;
	struct msg_finished m;
	struct id           id;
	struct job         *job;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_finished_read(frame, &m) || !read_id(m.id, &id))
		return false;
	job = jobs_find(&a->jobs, &id, m.recipient);
	if (job == NULL)
		return true;
	if (!job->is_done) /* it cannot know the outcome yet */
		return false;
	jobs_remove(&a->jobs, &id, m.recipient);
	a->busy_ms = uv_now(a->loop);
	a->changed(a);
	return true;
}

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	struct agent *a = context;

	(void)why; /* whoever ended it says so */
	peer_close(peer);
	a->queue = NULL;
	a->busy_ms = uv_now(a->loop);
	a->changed(a);
}

static const struct peer_permit permits[] = {
	{ MSG_DELIVER, NULL, on_deliver, 1 },
	{ MSG_FINISHED, NULL, on_finished, 0 },
};

/* --- connections --- */

/* First all that we have, which it must not lease, then the outcomes that we know. */
static void
greet(struct agent *a)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	jobs_add_hello(&frame, &a->jobs);
	send_frame(a, &frame);
	buf_finish(&frame);
	for (const struct job *job = a->jobs.first; job; job = job->next)
		if (job->is_done)
			send_outcome(a, job);
}

void
agent_connect(struct agent *a, int socket)
{
	peer_close(a->queue);
	a->queue = peer_open(a->loop, socket, permits,
	    sizeof permits / sizeof permits[0], on_gone, a);
	a->busy_ms = uv_now(a->loop);
	if (a->queue == NULL) {
		log_text("the queue could not be connected");
		close(socket);
		return;
	}
	greet(a);
}

struct agent *
agent_new(uv_loop_t *loop, struct homes *homes, agent_changed *changed)
{
	struct agent *a = calloc(1, sizeof *a);

	if (a == NULL)
		return NULL;
	a->loop = loop;
	a->homes = homes;
	a->changed = changed;
	a->busy_ms = uv_now(loop);
	uv_check_init(loop, &a->turn);
	a->turn.data = a;
	return a;
}

static void
on_closed(uv_handle_t *turn)
{
	free(turn->data);
}

void
agent_free(struct agent *a)
{
	if (a == NULL)
		return;
	peer_close(a->queue);
	jobs_finish(&a->jobs);
	uv_close((uv_handle_t *)&a->turn, on_closed);
}

void
agent_use(struct agent *a, struct bytes hostname)
{
	a->hostname = hostname;
}

bool
agent_is_connected(const struct agent *a)
{
	return a->queue != NULL;
}

size_t
agent_jobs(const struct agent *a)
{
	return a->jobs.n;
}

uint64_t
agent_busy_ms(const struct agent *a)
{
	return a->busy_ms;
}
