#include "service/jobs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mix.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/memfile.h"
#include "io/peer.h"
#include "proto/frame.h"

enum {
	BUCKETS = 2048,   /* a power of 2 */
	TEXT_MAX = 4096,  /* of each text of an outcome */
	PERMITS = 3,
	TARGETS_IN_FRAME = 48 * 1024,
};

/* A forward with its views behind it. */
struct kept {
	struct job_forward forward; /* first: a job's forward is one of these */
	int                list;    /* the targets, when a frame cannot hold them; else -1 */
	char               texts[];
};

struct jobs {
	uv_loop_t               *loop;
	struct peer_permit       permits[PERMITS];
	const struct jobs_calls *calls;
	void                    *context;
	struct peer             *queue; /* NULL: it is gone */
	bool                     is_stopping;
	struct job              *first, *last;
	size_t                   n, n_waiting;
	uint64_t                 seed;
	struct job              *buckets[BUCKETS];
};

/* --- all of them --- */

/* Where the table points to that job, or would. */
static struct job **
place(struct jobs *j, const struct id *id, uint32_t recipient)
{
	uint64_t     words[2], hash;
	struct job **at;

	_Static_assert(sizeof words == ID_BITS, "an id is two words");
	memcpy(words, id->bits, sizeof words);
	hash = mix(mix(mix(words[0] ^ j->seed) ^ words[1]) ^ recipient);
	at = &j->buckets[hash & (BUCKETS - 1)];
	while (*at && ((*at)->recipient != recipient || !id_equal(&(*at)->id, id)))
		at = &(*at)->next_in_table;
	return at;
}

static void
add(struct jobs *j, struct job **at, struct job *job)
{
	job->next_in_table = NULL;
	*at = job;
	job->next = NULL;
	job->before = j->last;
	*(j->last ? &j->last->next : &j->first) = job;
	j->last = job;
	job->state = JOB_WAITING;
	j->n++;
	j->n_waiting++;
}

static void
free_forward(struct job_forward *forward)
{
	struct kept *k = (struct kept *)forward;

	if (k == NULL)
		return;
	close(k->forward.message);
	if (k->list != -1)
		close(k->list);
	free(k);
}

/* Out of all, and freed. */
static void
discard(struct jobs *j, struct job *job)
{
	*place(j, &job->id, job->recipient) = job->next_in_table;
	*(job->before ? &job->before->next : &j->first) = job->next;
	*(job->next ? &job->next->before : &j->last) = job->before;
	j->n--;
	if (job->state == JOB_WAITING)
		j->n_waiting--;
	free(job->texts);
	free_forward(job->forward);
	j->calls->free(job, j->context);
}

/* --- what the queue hears --- */

/* What m says of the forward; how many of fds go with it. */
static size_t
describe_forward(const struct job_forward *forward, struct msg_outcome *m,
    int fds[2])
{
	const struct kept *k = (const struct kept *)forward;

	if (k == NULL)
		return 0;
	m->forward_id = id_bytes(&forward->id);
	m->forward_path = forward->reverse_path;
	m->forward_size = forward->size_bytes;
	m->n = forward->n;
	m->is_large = k->list != -1;
	if (!m->is_large)
		m->targets = forward->targets;
	fds[0] = forward->message;
	fds[1] = k->list;
	return m->is_large ? 2 : 1;
}

static void
send_outcome(struct jobs *j, const struct job *job)
{
	const struct outcome *o = &job->outcome;
	struct msg_outcome    m = {
		   .token = job->token,
		   .id = id_bytes(&job->id),
		   .recipient = job->recipient,
		   .kind = (uint8_t)o->kind,
		   .class = o->status.class,
		   .subject = o->status.subject,
		   .detail = o->status.detail,
		   .text = o->text,
		   .host = o->host,
		   .protection = o->protection,
		   .is_reply = o->is_reply,
		   .is_handed_on = o->is_handed_on,
		   .is_down = o->is_down,
	};
	int        fds[2];
	size_t     n_fds = describe_forward(job->forward, &m, fds);
	struct buf frame;

	if (j->queue == NULL)
		return;
	buf_init(&frame, FRAME_MAX);
	msg_outcome_add(&frame, &m);
	if (!frame.failed)
		peer_send(j->queue, buf_bytes(&frame), fds, n_fds);
	buf_finish(&frame);
}

/* What it must know before it hands us anything; then what has become of it. */
static void
greet(struct jobs *j)
{
	struct msg_hello m = { .n = (uint32_t)j->n };
	struct buf       list, frame;

	buf_init(&list, FRAME_MAX);
	buf_init(&frame, FRAME_MAX);
	for (const struct job *job = j->first; job; job = job->next) {
		frame_add_bytes(&list, id_bytes(&job->id));
		frame_add_u32(&list, job->recipient);
	}
	m.jobs = buf_bytes(&list);
	msg_hello_add(&frame, &m);
	if (!list.failed && !frame.failed)
		peer_send(j->queue, buf_bytes(&frame), NULL, 0);
	buf_finish(&list);
	buf_finish(&frame);
	for (const struct job *job = j->first; job; job = job->next)
		if (job->state == JOB_DONE)
			send_outcome(j, job);
}

static struct bytes
add_text(char **room, struct bytes text)
{
	struct bytes copy = { *room, text.n };

	if (text.n > 0)
		memcpy(*room, text.p, text.n);
	*room += text.n;
	return copy;
}

/* Without memory the outcome goes without its texts: it is what counts. */
static void
copy_outcome(struct job *job, const struct outcome *outcome)
{
	struct bytes text = bytes_first(outcome->text, TEXT_MAX);
	struct bytes host = bytes_first(outcome->host, TEXT_MAX);
	struct bytes protection = bytes_first(outcome->protection, TEXT_MAX);
	char        *room = malloc(text.n + host.n + protection.n + 1);

	job->outcome = *outcome;
	job->outcome.text = job->outcome.host = job->outcome.protection = BYTES("");
	job->texts = room;
	if (room == NULL)
		return;
	job->outcome.text = add_text(&room, text);
	job->outcome.host = add_text(&room, host);
	job->outcome.protection = add_text(&room, protection);
}

/* --- what the queue says --- */

/* A queue that lost our outcome, or never knew of the job, wants it once more. */
static void
remind(struct jobs *j, struct job *known, uint64_t token)
{
	known->token = token;
	if (known->state == JOB_DONE)
		send_outcome(j, known);
}

static bool
on_job(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct jobs *j = context;
	struct job  *job, **at;

	(void)peer;
	if (n_fds != 1 || j->n >= JOBS_MAX)
		return false;
	/* what we do not take is given to the process after us */
	if (j->is_stopping)
		return true;
	job = j->calls->read(frame, &fds[0], j->context);
	if (job == NULL)
		return false;
	at = place(j, &job->id, job->recipient);
	if (*at) {
		remind(j, *at, job->token);
		j->calls->free(job, j->context);
		return true;
	}
	add(j, at, job);
	j->calls->begin(job, j->context);
	return true;
}

static bool
on_finished(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct jobs        *j = context;
	struct msg_finished m;
	struct id           id;
	struct job         *job;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_finished_read(frame, &m) || !id_read(m.id, &id))
		return false;
	/* WAITING: our HELLO named it, and its outcome is in the store since long ago; none:
	 * a restarted queue acknowledges both our HELLO and the outcome */
	job = *place(j, &id, m.recipient);
	if (job)
		discard(j, job);
	j->calls->changed(j->context);
	return true;
}

static void
lose_queue(struct jobs *j, const char *why)
{
	peer_close(j->queue);
	j->queue = NULL;
	if (j->calls->lost)
		j->calls->lost(j->context);
	if (j->n > 0)
		log_text("the queue is gone (%s): %zu deliveries are kept", why, j->n);
}

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	struct jobs *j = context;

	(void)peer;
	lose_queue(j, why);
	j->calls->changed(j->context);
}

/* --- the door --- */

static bool
on_retry_all(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct jobs         *j = context;
	struct msg_retry_all m;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_retry_all_read(frame, &m) || j->calls->retry == NULL)
		return false;
	j->calls->retry(j->context);
	return true;
}

struct jobs *
jobs_new(uv_loop_t *loop, enum message_type type,
    const struct jobs_calls *calls, void *context)
{
	struct jobs *j = calloc(1, sizeof *j);

	if (j == NULL)
		return NULL;
	j->loop = loop;
	j->permits[0] = (struct peer_permit){ (uint16_t)type, NULL, on_job, 1 };
	j->permits[1] = (struct peer_permit){ MSG_FINISHED, NULL, on_finished, 0 };
	j->permits[2] = (struct peer_permit){ MSG_RETRY_ALL, NULL, on_retry_all, 0 };
	j->calls = calls;
	j->context = context;
	random_fill(&j->seed, sizeof j->seed);
	return j;
}

void
jobs_free(struct jobs *j)
{
	if (j == NULL)
		return;
	peer_close(j->queue);
	while (j->first)
		discard(j, j->first);
	free(j);
}

void
jobs_connect(struct jobs *j, int socket)
{
	if (j->queue)
		lose_queue(j, "another one is here");
	j->queue = peer_open(j->loop, socket, j->permits, PERMITS, on_gone, j);
	if (j->queue == NULL)
		close(socket);
	else
		greet(j);
	j->calls->changed(j->context);
}

void
jobs_stop(struct jobs *j)
{
	j->is_stopping = true;
}

void
jobs_end(struct jobs *j, struct job *job, const struct outcome *outcome)
{
	if (job->state != JOB_WAITING)
		return;
	copy_outcome(job, outcome);
	job->state = JOB_DONE;
	j->n_waiting--;
	send_outcome(j, job);
	j->calls->changed(j->context);
}

/* False: no memory, and the file is still the caller's. */
static bool
keep_forward(struct job *job, const struct job_forward *forward)
{
	struct bytes path = bytes_first(forward->reverse_path, TEXT_MAX);
	struct bytes targets = forward->targets;
	bool         is_large = targets.n > TARGETS_IN_FRAME;
	struct kept *k = malloc(sizeof *k + path.n + (is_large ? 0 : targets.n));
	char        *room;

	if (k == NULL)
		return false;
	k->list = is_large ? memfile_of("targets", targets) : -1;
	if (is_large && k->list == -1) {
		free(k);
		return false;
	}
	room = k->texts;
	k->forward = *forward;
	k->forward.reverse_path = add_text(&room, path);
	k->forward.targets = is_large ? BYTES("") : add_text(&room, targets);
	job->forward = &k->forward;
	return true;
}

void
jobs_end_forwarding(struct jobs *j, struct job *job,
    const struct outcome *outcome, const struct job_forward *forward)
{
	/* Without its message it must not end: it is all done once more. */
	struct outcome later = outcome_of(OUTCOME_DEFERRED, STATUS(4, 3, 0),
	    BYTES("no memory for what is to be forwarded"));

	if (job->state == JOB_WAITING && keep_forward(job, forward)) {
		jobs_end(j, job, outcome);
		return;
	}
	close(forward->message);
	jobs_end(j, job, &later);
}

void
jobs_drop(struct jobs *j, struct job *job)
{
	discard(j, job);
}

size_t
jobs_waiting(const struct jobs *j)
{
	return j->n_waiting;
}

size_t
jobs_kept(const struct jobs *j)
{
	return j->n;
}

bool
jobs_is_connected(const struct jobs *j)
{
	return j->queue != NULL;
}
