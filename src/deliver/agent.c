#include "deliver/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deliver/maildir.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/peer.h"
#include "mail/verdict.h"
#include "proto/message.h"

enum { JOBS_MAX = 2000 }; /* their list must fit into HELLO */

/* One delivery that the queue wants, and its texts. */
struct job {
	struct job     *next;
	struct delivery delivery;
	uint64_t        token;
	bool            is_yellow;
	struct bytes    user;
	char            texts[];
};

struct job_list {
	struct job  *first;
	struct job **last;
	size_t       n;
};

struct agent {
	uv_loop_t           *loop;
	uv_idle_t            idle;    /* active while something waits */
	struct users        *users;
	const struct config *config;  /* NULL: not yet */
	void               (*changed)(void);
	struct peer         *queue;   /* NULL: it is gone */
	bool                 is_stopping;
	struct job_list      waiting; /* to be delivered */
	struct job_list      done;    /* outcome known, not acknowledged */
	uint64_t             attempt;
	uint64_t             outcomes[OUTCOME_EXPANDED + 1];
};

/* --- jobs --- */

static void
list_init(struct job_list *list)
{
	*list = (struct job_list){ .last = &list->first };
}

static void
list_add(struct job_list *list, struct job *job)
{
	job->next = NULL;
	*list->last = job;
	list->last = &job->next;
	list->n++;
}

/* Where the list points to that job; NULL: nowhere. */
static struct job **
list_find(struct job_list *list, const struct id *id, uint32_t recipient)
{
	struct job **at = &list->first;

	while (*at && ((*at)->delivery.recipient != recipient ||
	                  !id_equal(&(*at)->delivery.id, id)))
		at = &(*at)->next;
	return *at ? at : NULL;
}

static struct job *
list_take(struct job_list *list, struct job **at)
{
	struct job *job = *at;

	*at = job->next;
	if (list->last == &job->next)
		list->last = at;
	list->n--;
	return job;
}

static struct bytes
add_text(char **room, struct bytes text)
{
	struct bytes copy = { *room, text.n };

	memcpy(*room, text.p, text.n);
	*room += text.n;
	return copy;
}

/* Takes the descriptor of the body. NULL: no memory. */
static struct job *
new_job(const struct msg_deliver *m, const struct id *id, int *body)
{
	struct job *job = calloc(1,
	    sizeof *job + m->user.n + m->address.n + m->reverse_path.n);
	char       *room;

	if (job == NULL)
		return NULL;
	room = job->texts;
	job->token = m->token;
	job->is_yellow = m->colour == COLOUR_YELLOW;
	job->user = add_text(&room, m->user);
	job->delivery = (struct delivery){
		.id = *id,
		.recipient = m->recipient,
		.repeated = m->repeated != 0,
		.body = *body,
		.size_bytes = m->size,
		.address = add_text(&room, m->address),
		.reverse_path = add_text(&room, m->reverse_path),
	};
	*body = -1;
	return job;
}

static void
free_job(struct job *job)
{
	if (job->delivery.body != -1)
		close(job->delivery.body);
	free(job);
}

/* --- what the queue hears --- */

static void
send_outcome(struct agent *a, const struct job *job)
{
	const struct delivery *d = &job->delivery;
	struct msg_outcome     m = {
		    .token = job->token,
		    .id = id_bytes(&d->id),
		    .recipient = d->recipient,
		    .kind = (uint8_t)d->outcome.kind,
		    .class = d->outcome.status.class,
		    .subject = d->outcome.status.subject,
		    .detail = d->outcome.status.detail,
		    .text = d->outcome.text,
	};
	struct buf             frame;

	if (a->queue == NULL)
		return;
	buf_init(&frame, FRAME_MAX);
	msg_outcome_add(&frame, &m);
	if (!frame.failed)
		peer_send(a->queue, buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
}

static void
add_jobs(struct buf *b, const struct job_list *list)
{
	for (const struct job *job = list->first; job; job = job->next) {
		frame_add_bytes(b, id_bytes(&job->delivery.id));
		frame_add_u32(b, job->delivery.recipient);
	}
}

/* What it must know before it hands us anything; then what has become of it. */
static void
greet(struct agent *a)
{
	struct msg_hello m = { .n = (uint32_t)(a->waiting.n + a->done.n) };
	struct buf       jobs, frame;

	buf_init(&jobs, FRAME_MAX);
	buf_init(&frame, FRAME_MAX);
	add_jobs(&jobs, &a->waiting);
	add_jobs(&jobs, &a->done);
	m.jobs = buf_bytes(&jobs);
	msg_hello_add(&frame, &m);
	if (!jobs.failed && !frame.failed)
		peer_send(a->queue, buf_bytes(&frame), NULL, 0);
	buf_finish(&jobs);
	buf_finish(&frame);
	for (const struct job *job = a->done.first; job; job = job->next)
		send_outcome(a, job);
}

/* --- delivering --- */

/* Which folder it goes to; without one it has ended. */
static void
choose_folder(struct agent *a, struct job *job)
{
	struct delivery   *d = &job->delivery;
	const struct user *user = users_find(a->users, job->user);
	struct bytes       yellow = a->config->yellow_folder;
	const char        *what = "";

	if (user == NULL) {
		delivery_end(d, OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    "the user is not known to this process");
		return;
	}
	d->folder = users_folder(a->users, user,
	    job->is_yellow && yellow.n > 0, yellow, &what);
	if (d->folder == NULL)
		delivery_defer(d, errno, what);
}

static void
end_job(struct agent *a, struct job *job)
{
	close(job->delivery.body);
	job->delivery.body = -1;
	a->outcomes[job->delivery.outcome.kind]++;
	list_add(&a->done, job);
	send_outcome(a, job);
}

/* All that waits, as far as it fits into one batch. */
static void
deliver_batch(struct agent *a)
{
	struct maildir_batch batch = {
		.hostname = a->config->hostname,
		.attempt = &a->attempt,
	};
	struct job *jobs[MAILDIR_BATCH];

	users_begin_batch(a->users);
	while (batch.n < MAILDIR_BATCH && a->waiting.first != NULL) {
		struct job *job = list_take(&a->waiting, &a->waiting.first);

		choose_folder(a, job);
		jobs[batch.n] = job;
		batch.v[batch.n++] = &job->delivery;
	}
	maildir_deliver(&batch);
	for (size_t i = 0; i < batch.n; i++)
		end_job(a, jobs[i]);
}

static void
on_idle(uv_idle_t *idle)
{
	struct agent *a = idle->data;

	if (a->waiting.first != NULL && a->config != NULL)
		deliver_batch(a);
	if (a->waiting.first == NULL || a->config == NULL)
		uv_idle_stop(&a->idle);
	a->changed();
}

/* --- what the queue says --- */

/* A queue that lost our outcome, or never knew of the job, wants it once more. */
static bool
is_kept(struct agent *a, const struct msg_deliver *m, const struct id *id)
{
	struct job **at = list_find(&a->waiting, id, m->recipient);

	if (at != NULL) {
		(*at)->token = m->token;
		return true;
	}
	at = list_find(&a->done, id, m->recipient);
	if (at == NULL)
		return false;
	(*at)->token = m->token;
	send_outcome(a, *at);
	return true;
}

static bool
on_deliver(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct agent      *a = context;
	struct msg_deliver m;
	struct job        *job;
	struct id          id;

	(void)peer;
	if (!msg_deliver_read(frame, &m) || !id_read(m.id, &id) ||
	    n_fds != 1 || a->waiting.n + a->done.n >= JOBS_MAX)
		return false;
	/* what we do not take is given to the process after us */
	if (a->is_stopping || is_kept(a, &m, &id))
		return true;
	job = new_job(&m, &id, &fds[0]);
	if (job == NULL)
		return false;
	list_add(&a->waiting, job);
	if (a->config != NULL)
		uv_idle_start(&a->idle, on_idle);
	return true;
}

static bool
on_finished(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct agent       *a = context;
	struct msg_finished m;
	struct id           id;
	struct job        **at;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_finished_read(frame, &m) || !id_read(m.id, &id))
		return false;
	if ((at = list_find(&a->done, &id, m.recipient)) != NULL)
		free_job(list_take(&a->done, at));
	/* our HELLO named it, and its outcome is in the store since long ago */
	else if ((at = list_find(&a->waiting, &id, m.recipient)) != NULL)
		free_job(list_take(&a->waiting, at));
	else
		return false; /* it acknowledges what we never said */
	a->changed();
	return true;
}

static const struct peer_permit permits[] = {
	{ MSG_DELIVER, NULL, on_deliver, 1 },
	{ MSG_FINISHED, NULL, on_finished, 0 },
};

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	struct agent *a = context;

	if (a->waiting.n + a->done.n > 0)
		log_text("the queue is gone (%s): %zu deliveries are kept", why,
		    a->waiting.n + a->done.n);
	peer_close(peer);
	a->queue = NULL;
	a->changed();
}

/* --- the agent --- */

struct agent *
agent_new(uv_loop_t *loop, struct users *users, void (*changed)(void))
{
	struct agent *a = calloc(1, sizeof *a);

	if (a == NULL)
		return NULL;
	a->loop = loop;
	a->users = users;
	a->changed = changed;
	list_init(&a->waiting);
	list_init(&a->done);
	random_fill(&a->attempt, sizeof a->attempt);
	uv_idle_init(loop, &a->idle);
	a->idle.data = a;
	return a;
}

static void
free_jobs(struct job_list *list)
{
	while (list->first != NULL)
		free_job(list_take(list, &list->first));
}

static void
on_closed(uv_handle_t *idle)
{
	free(idle->data);
}

void
agent_free(struct agent *a)
{
	if (a == NULL)
		return;
	peer_close(a->queue);
	free_jobs(&a->waiting);
	free_jobs(&a->done);
	uv_close((uv_handle_t *)&a->idle, on_closed);
}

void
agent_use(struct agent *a, const struct config *config)
{
	a->config = config;
	users_close_folders(a->users);
	if (a->waiting.first != NULL)
		uv_idle_start(&a->idle, on_idle);
}

void
agent_connect(struct agent *a, int socket)
{
	peer_close(a->queue);
	a->queue = peer_open(a->loop, socket, permits,
	    sizeof permits / sizeof permits[0], on_gone, a);
	if (a->queue == NULL)
		close(socket);
	else
		greet(a);
}

void
agent_stop(struct agent *a)
{
	a->is_stopping = true;
}

size_t
agent_kept(const struct agent *a)
{
	return a->waiting.n + a->done.n;
}

bool
agent_is_connected(const struct agent *a)
{
	return a->queue != NULL;
}

void
agent_stats(const struct agent *a, struct buf *b)
{
	buf_addf(b, "delivered %llu, deferred %llu, failed %llu, kept %zu",
	    (unsigned long long)a->outcomes[OUTCOME_DELIVERED],
	    (unsigned long long)a->outcomes[OUTCOME_DEFERRED],
	    (unsigned long long)a->outcomes[OUTCOME_FAILED], agent_kept(a));
}
