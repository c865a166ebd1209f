/*
 * ampel-queue: the store and the schedule. May be asked: to keep a message (smtpd,
 * hiq), what became of one (deliver, remote), what it holds (the administrator).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "queue/admin.h"
#include "queue/agents.h"
#include "queue/desk.h"
#include "queue/schedule.h"
#include "queue/store.h"
#include "service/event.h"
#include "service/lookup_client.h"
#include "service/service.h"
#include "service/submit.h"

enum {
	CREDITS = 512,           /* submissions of one client on their way */
	SPACE_AGE_MS = 1000,     /* how long a look at the disk is good */
};

static struct {
	struct desk          *desk;
	struct schedule      *schedule;
	struct lookup_client *lookup;
	struct submit_server *submit;
	uint64_t              need_bytes; /* free space below which nothing is taken */
	bool                  has_space;
	uint64_t              looked_ms;
	bool                  has_worked, is_stopping;
	size_t                n_returned; /* recipients that were out when we stopped */
	uv_timer_t            stop_timer;
} queue;

/* --- submissions --- */

struct submission_kept {
	struct desk_request request;
	struct submit_job  *job;
};

static const struct submit_result accepted_proto = { 250, { 2, 0, 0 },
	{ NULL, 0 } };
static const struct submit_result trouble = { 451, { 4, 3, 0 },
	BYTES_INIT("mail server temporarily rejected message") };
static const struct submit_result no_space = { 452, { 4, 3, 1 },
	BYTES_INIT("insufficient system storage") };
static const struct submit_result refused = { 451, { 4, 3, 0 },
	BYTES_INIT("another message of this id is in the queue") };

/*
 * The promise: 250 only for what no power cut can lose. UNKNOWN may be in the queue
 * all the same; the client's retry then makes a duplicate, which is allowed.
 */
static void
on_stored(struct desk_request *r)
{
	struct submission_kept *k = r->context;
	struct submit_result    result = accepted_proto;
	char                    text[64];

	switch (r->op.result) {
	case STORE_DONE:
		snprintf(text, sizeof text, "accepted, id %s",
		    id_text(&submit_job_envelope(k->job)->id).p);
		result.text = bytes_of(text);
		break;
	case STORE_REFUSED:
		result = refused;
		break;
	case STORE_UNKNOWN:
	case STORE_STALE:
		result = trouble;
		break;
	}
	submit_answer(k->job, &result);
	free(k);
}

static bool
has_space(void)
{
	uint64_t       now = clock_monotonic_ms();
	struct statvfs fs;

	if (queue.looked_ms != 0 && now - queue.looked_ms < SPACE_AGE_MS)
		return queue.has_space;
	queue.looked_ms = now;
	queue.has_space = statvfs(service_directory(), &fs) == 0 &&
	    (uint64_t)fs.f_bavail * fs.f_frsize >= queue.need_bytes;
	return queue.has_space;
}

static void
on_submission(struct submit_job *job, void *context)
{
	struct submission_kept *k;

	(void)context;
	if (!has_space()) {
		submit_answer(job, &no_space);
		return;
	}
	k = calloc(1, sizeof *k);
	if (k == NULL) {
		submit_answer(job, &trouble);
		return;
	}
	k->job = job;
	k->request.op = (struct store_op){
		.kind = STORE_PUT,
		.put = {
			.envelope = submit_job_envelope(job),
			.body = submit_job_fd(job),
			.due_ms = clock_now_ms(),
		},
	};
	k->request.done = on_stored;
	k->request.context = k;
	submit_job_set_context(job, k);
	desk_commit(queue.desk, &k->request);
	schedule_wake(queue.schedule); /* leased in the same pass */
}

/* Before its commit began it is as if it had never come. */
static void
on_cancelled(struct submit_job *job, void *context)
{
	struct submission_kept *k = submit_job_context(job);

	(void)context;
	if (k == NULL || !desk_cancel(queue.desk, &k->request))
		return;
	submit_answer(job, &trouble);
	free(k);
}

/* --- the frame --- */

static bool
open_store(char *error, size_t size)
{
	struct store *store = store_open(service_directory(), error, size);

	if (store == NULL)
		return false;
	queue.lookup = lookup_client_new(service_loop());
	queue.schedule = queue.lookup
	    ? schedule_new(service_loop(), queue.lookup)
	    : NULL;
	queue.desk = queue.schedule ? desk_open(service_loop(), store,
	                                  schedule_leased, queue.schedule)
	                            : NULL;
	if (queue.desk == NULL) {
		snprintf(error, size, "no memory");
		store_close(store);
		return false;
	}
	schedule_set_desk(queue.schedule, queue.desk);
	return true;
}

static bool
prepare(const struct config *config, char *error, size_t size)
{
	if (queue.desk == NULL && !open_store(error, size))
		return false;
	if (queue.submit == NULL)
		queue.submit = submit_server_new(service_loop(), CREDITS,
		    schedule_message_max(config), service_directory(), on_submission, on_cancelled, NULL);
	if (queue.submit == NULL) {
		snprintf(error, size, "no memory");
		return false;
	}
	return true;
}

static void
use(const struct config *config)
{
	queue.need_bytes = config->min_free + 2 * config->message_size;
	queue.looked_ms = 0;
	submit_server_limit(queue.submit, schedule_message_max(config));
	schedule_use(queue.schedule, config);
	schedule_begin(queue.schedule);
	queue.has_worked = true;
}

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)name;
	switch (role) {
	case ROLE_SMTPD:
	case ROLE_HIQ:
		if (submit_server_add(queue.submit, socket))
			return;
		break;
	case ROLE_LOOKUP:
		lookup_client_connect(queue.lookup, socket);
		return;
	case ROLE_DELIVER:
		agents_add(schedule_agents(queue.schedule), AGENT_DELIVER,
		    serial, socket);
		return;
	case ROLE_REMOTE:
		agents_add(schedule_agents(queue.schedule), AGENT_REMOTE,
		    serial, socket);
		return;
	case ROLE_ADMIN:
		admin_add(service_loop(), queue.desk, queue.schedule, socket);
		return;
	case ROLE_NONE:
	case ROLE_QUEUE:
	case ROLE_AUTH:
	case ROLE_POP3D:
	case ROLE_MAILBOX:
	case ROLE_DNS:
	case ROLE_FETCH:
		break;
	}
	log_text("a neighbour could not be connected");
	close(socket);
}

static bool
on_pause(struct peer *p, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_pause m;

	(void)p;
	(void)fds;
	(void)n_fds;
	(void)context;
	if (!msg_pause_read(frame, &m))
		return false;
	schedule_pause(queue.schedule, m.on != 0);
	return true;
}

static bool
on_deliver_for(struct peer *p, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_deliver_for m;

	(void)p;
	(void)fds;
	(void)n_fds;
	(void)context;
	if (!msg_deliver_for_read(frame, &m) || m.result > WANT_READY)
		return false;
	agents_deliver_for(schedule_agents(queue.schedule), &m);
	return true;
}

static bool
on_retry_all(struct peer *p, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_retry_all m;

	(void)p;
	(void)fds;
	(void)n_fds;
	(void)context;
	if (!msg_retry_all_read(frame, &m))
		return false;
	if (queue.desk && !queue.is_stopping)
		schedule_retry_all(queue.schedule);
	return true;
}

/* --- the end --- */

static void
run_stats(struct store *store, struct desk_call *call)
{
	store_stats(store, call->context);
}

/* What there is when we are told to end: leased is what we wait for. */
static void
on_state(struct desk_call *call)
{
	const struct store_stats *now = call->context;
	struct event              e = event_begin("state", NULL);

	event_number(&e, "messages", now->messages);
	event_number(&e, "queued", now->queued);
	event_number(&e, "leased", now->leased);
	event_number(&e, "held", now->held);
	event_end(&e);
}

static void
log_stop(const struct store_stats *left)
{
	struct event e = event_begin("stop", NULL);

	event_number(&e, "messages", left->messages);
	event_number(&e, "queued", left->queued);
	event_number(&e, "held", left->held);
	event_number(&e, "returned", queue.n_returned);
	event_end(&e);
}

static void
on_stats(struct desk_call *call)
{
	if (queue.has_worked)
		log_stop(call->context);
	desk_close(queue.desk);
	service_end(0);
}

/* What is in flight comes back first; what is due stays for the next start. */
static void
on_stop_tick(uv_timer_t *timer)
{
	static struct store_stats left;
	static struct desk_call   call = {
		  .run = run_stats, .done = on_stats, .context = &left,
	};

	if (!schedule_is_empty(queue.schedule) || !desk_is_idle(queue.desk) ||
	    submit_server_jobs(queue.submit) > 0)
		return;
	uv_timer_stop(timer);
	desk_run(queue.desk, &call);
}

static void
stop(void)
{
	enum { TICK_MS = 10 };
	static struct store_stats now;
	static struct desk_call   call = {
		  .run = run_stats, .done = on_state, .context = &now,
	};

	if (queue.is_stopping)
		return;
	queue.is_stopping = true;
	if (queue.desk == NULL) {
		service_end(0);
		return;
	}
	queue.n_returned = schedule_stop(queue.schedule);
	if (queue.has_worked)
		desk_run(queue.desk, &call);
	uv_timer_init(service_loop(), &queue.stop_timer);
	uv_timer_start(&queue.stop_timer, on_stop_tick, 0, TICK_MS);
}

int
main(void)
{
	static const struct peer_permit control[] = {
		{ MSG_PAUSE, NULL, on_pause, 0 },
		{ MSG_DELIVER_FOR, NULL, on_deliver_for, 0 },
		{ MSG_RETRY_ALL, NULL, on_retry_all, 0 },
	};
	static const struct program program = {
		.name = "ampel-queue",
		.open_files = 16 * 1024,
		.prepare = prepare,
		.use = use,
		.peer = peer,
		.stop = stop,
		.control = control,
		.n_control = sizeof control / sizeof control[0],
	};

	return service_main(&program);
}
