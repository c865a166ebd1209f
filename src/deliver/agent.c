#include "deliver/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deliver/commands.h"
#include "deliver/instructions.h"
#include "deliver/maildir.h"
#include "io/clock.h"
#include "mail/verdict.h"
#include "proto/message.h"
#include "service/jobs.h"

/* One delivery that the queue wants, and its texts. */
struct task {
	struct job           job;  /* first: a task is one of these */
	struct agent        *agent;
	struct task         *next, *before; /* while it waits for its batch */
	bool                 is_in_line;
	struct delivery      delivery;
	bool                 is_yellow;
	bool                 is_qmail;     /* as a .qmail file has it */
	bool                 is_own;       /* delivery.folder is that of instructions */
	struct instructions *instructions; /* while they are obeyed */
	uint64_t             n_forwarding; /* then, of shared.n_forwarding */
	struct bytes         user, local, host, dash, ext;
	char                 texts[];
};

struct agent {
	uv_idle_t            idle;    /* active while something waits */
	struct users        *users;
	const struct config *config;  /* NULL: not yet */
	void               (*changed)(void);
	struct jobs         *jobs;
	struct task         *first, *last; /* to be begun, or delivered */
	uint64_t             attempt;
	uint64_t             outcomes[OUTCOME_EXPANDED + 1];
	struct instructions_shared shared;
};

/* --- tasks --- */

static void
line_up(struct agent *a, struct task *t)
{
	t->next = NULL;
	t->before = a->last;
	*(a->last ? &a->last->next : &a->first) = t;
	a->last = t;
	t->is_in_line = true;
}

static void
leave_line(struct agent *a, struct task *t)
{
	if (!t->is_in_line)
		return;
	*(t->before ? &t->before->next : &a->first) = t->next;
	*(t->next ? &t->next->before : &a->last) = t->before;
	t->is_in_line = false;
}

static struct bytes
add_text(char **room, struct bytes text)
{
	struct bytes copy = { *room, text.n };

	memcpy(*room, text.p, text.n);
	*room += text.n;
	return copy;
}

/* The address of a .qmail delivery: its local part as it was assigned, at its domain. */
static void
name_recipient(struct task *t, char **room, const struct msg_deliver *m)
{
	struct bytes host = bytes_from(m->address, bytes_find_last(m->address, '@'));

	t->local = add_text(room, m->local);
	t->host = bytes_from(add_text(room, host), 1);
	t->delivery.address =
	    (struct bytes){ t->local.p, t->local.n + 1 + t->host.n };
	t->dash = add_text(room, m->dash);
	t->ext = add_text(room, m->extension);
}

static struct job *
read_task(struct bytes frame, int *body, void *context)
{
	struct msg_deliver m;
	struct id          id;
	struct task       *t;
	char              *room;

	if (!msg_deliver_read(frame, &m) || !id_read(m.id, &id) ||
	    bytes_find(m.address, '@') == m.address.n)
		return NULL;
	t = calloc(1, sizeof *t + frame.n + m.address.n);
	if (t == NULL)
		return NULL;
	room = t->texts;
	t->agent = context;
	t->job.id = id;
	t->job.recipient = m.recipient;
	t->job.token = m.token;
	t->is_yellow = m.colour == COLOUR_YELLOW;
	t->is_qmail = m.is_qmail != 0;
	t->user = add_text(&room, m.user);
	t->delivery = (struct delivery){
		.id = id,
		.recipient = m.recipient,
		.repeated = m.repeated != 0,
		.body = *body,
		.size_bytes = m.size,
		.address = add_text(&room, m.address),
		.reverse_path = add_text(&room, m.reverse_path),
	};
	if (t->is_qmail)
		name_recipient(t, &room, &m);
	*body = -1;
	return &t->job;
}

static void
free_task(struct job *job, void *context)
{
	struct task *t = (struct task *)job;

	leave_line(context, t);
	t->agent->shared.n_forwarding -= t->n_forwarding;
	instructions_free(t->instructions);
	if (t->delivery.body != -1)
		close(t->delivery.body);
	free(t);
}

/* --- delivering --- */

static void
end_task(struct agent *a, struct task *t)
{
	a->outcomes[t->delivery.outcome.kind]++;
	jobs_end(a->jobs, &t->job, &t->delivery.outcome);
}

/* Which folder it goes to; without one it has ended. */
static void
choose_folder(struct agent *a, struct task *t)
{
	struct delivery   *d = &t->delivery;
	const struct user *user = users_find(a->users, t->user);
	struct bytes       yellow = a->config->yellow_folder;
	const char        *what = "";

	if (user == NULL) {
		delivery_end(d, OUTCOME_DEFERRED, STATUS(4, 3, 0),
		    "the user is not known to this process");
		return;
	}
	d->folder = users_folder(a->users, user,
	    t->is_yellow && yellow.n > 0, yellow, &what);
	if (d->folder == NULL)
		delivery_defer(d, errno, what);
}

/* --- as a .qmail file has it --- */

static void on_idle(uv_idle_t *idle);

static void
end_instructions(struct agent *a, struct task *t)
{
	const struct outcome *outcome = instructions_outcome(t->instructions);
	struct job_forward   *forward = instructions_forward(t->instructions);

	a->outcomes[outcome->kind]++;
	if (forward == NULL) {
		jobs_end(a->jobs, &t->job, outcome);
	} else {
		t->n_forwarding = forward->size_bytes + forward->targets.n;
		a->shared.n_forwarding += t->n_forwarding;
		jobs_end_forwarding(a->jobs, &t->job, outcome, forward);
		forward->message = -1;
	}
	instructions_free(t->instructions);
	t->instructions = NULL;
	close(t->delivery.body);
	t->delivery.body = -1;
}

/* Its delivery into a Maildir, the first or a further one, waits for the next batch. */
static void
line_up_delivery(struct agent *a, struct task *t, struct folder *own)
{
	t->is_own = own != NULL;
	t->delivery.folder = own;
	t->delivery.step = DELIVERY_BEGUN;
	t->delivery.is_second_try = t->delivery.is_moved = false;
	t->delivery.repeated |=
	    instructions_may_be_repeated(t->instructions, clock_now_ms());
	line_up(a, t);
	uv_idle_start(&a->idle, on_idle);
}

static void
obey(struct task *t)
{
	struct agent *a = t->agent;

	switch (instructions_next(t->instructions)) {
	case INSTRUCTIONS_WAIT:
		break;
	case INSTRUCTIONS_INBOX:
		line_up_delivery(a, t, NULL);
		break;
	case INSTRUCTIONS_MAILDIR:
		line_up_delivery(a, t, instructions_folder(t->instructions));
		break;
	case INSTRUCTIONS_END:
		end_instructions(a, t);
		break;
	}
}

static void
on_ready(void *context)
{
	obey(context);
}

static void
begin_instructions(struct agent *a, struct task *t)
{
	const struct user       *user = users_find(a->users, t->user);
	struct instructions_case given = {
		.local = t->local,
		.host = t->host,
		.recipient = t->delivery.address,
		.dash = t->dash,
		.ext = t->ext,
		.reverse_path = t->delivery.reverse_path,
		.hostname = a->config->hostname,
		.id = t->delivery.id,
		.number = t->delivery.recipient,
		.body = t->delivery.body,
		.size_bytes = t->delivery.size_bytes,
		.timeout_ms = a->config->program_timeout_ms,
	};

	if (user != NULL) {
		given.home = user->home;
		given.login = bytes_of(user->login);
		t->instructions =
		    instructions_new(&a->shared, &given, on_ready, t);
	}
	if (t->instructions != NULL) {
		obey(t);
		return;
	}
	delivery_end(&t->delivery, OUTCOME_DEFERRED, STATUS(4, 3, 0), "%s",
	    user == NULL ? "the user is not known to this process"
	                 : "no memory for the delivery");
	end_task(a, t);
}

/* --- batches --- */

static void
end_delivery(struct agent *a, struct task *t)
{
	if (t->instructions != NULL) {
		instructions_delivered(t->instructions, &t->delivery.outcome);
		obey(t);
		return;
	}
	close(t->delivery.body);
	t->delivery.body = -1;
	end_task(a, t);
}

/* All that waits, as far as it fits into one batch; some waits only to be begun. */
static void
deliver_batch(struct agent *a)
{
	struct maildir_batch batch = {
		.hostname = a->config->hostname,
		.attempt = &a->attempt,
	};
	struct task *tasks[MAILDIR_BATCH];

	users_begin_batch(a->users);
	while (batch.n < MAILDIR_BATCH && a->first != NULL) {
		struct task *t = a->first;

		leave_line(a, t);
		if (t->is_qmail && t->instructions == NULL) {
			begin_instructions(a, t);
			continue;
		}
		if (!t->is_own)
			choose_folder(a, t);
		tasks[batch.n] = t;
		batch.v[batch.n++] = &t->delivery;
	}
	maildir_deliver(&batch);
	for (size_t i = 0; i < batch.n; i++)
		end_delivery(a, tasks[i]);
}

static void
on_idle(uv_idle_t *idle)
{
	struct agent *a = idle->data;

	if (a->first != NULL && a->config != NULL)
		deliver_batch(a);
	if (a->first == NULL || a->config == NULL)
		uv_idle_stop(&a->idle);
	a->changed();
}

static void
begin_task(struct job *job, void *context)
{
	struct agent *a = context;

	line_up(a, (struct task *)job);
	if (a->config != NULL)
		uv_idle_start(&a->idle, on_idle);
}

static void
on_changed(void *context)
{
	struct agent *a = context;

	a->changed();
}

static const struct jobs_calls job_calls = {
	.read = read_task,
	.begin = begin_task,
	.free = free_task,
	.changed = on_changed,
};

/* --- the agent --- */

struct agent *
agent_new(uv_loop_t *loop, struct users *users, void (*changed)(void))
{
	struct agent *a = calloc(1, sizeof *a);

	if (a == NULL)
		return NULL;
	a->jobs = jobs_new(loop, MSG_DELIVER, &job_calls, a);
	a->shared.loop = loop;
	a->shared.commands = commands_new(loop);
	if (a->jobs == NULL || a->shared.commands == NULL) {
		commands_free(a->shared.commands);
		jobs_free(a->jobs);
		free(a);
		return NULL;
	}
	a->users = users;
	a->changed = changed;
	random_fill(&a->attempt, sizeof a->attempt);
	uv_idle_init(loop, &a->idle);
	a->idle.data = a;
	return a;
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
	/* the last word to programs, before those that wait for them are gone */
	commands_end(a->shared.commands);
	jobs_free(a->jobs);
	commands_free(a->shared.commands);
	uv_close((uv_handle_t *)&a->idle, on_closed);
}

void
agent_use(struct agent *a, const struct config *config)
{
	a->config = config;
	users_close_folders(a->users);
	if (a->first != NULL)
		uv_idle_start(&a->idle, on_idle);
}

void
agent_connect(struct agent *a, int socket)
{
	jobs_connect(a->jobs, socket);
}

void
agent_stop(struct agent *a)
{
	jobs_stop(a->jobs);
	commands_stop(a->shared.commands);
}

bool
agent_is_busy(const struct agent *a)
{
	return a->shared.n_locking > 0 ||
	    commands_busy(a->shared.commands) > 0;
}

size_t
agent_kept(const struct agent *a)
{
	return jobs_kept(a->jobs);
}

bool
agent_is_connected(const struct agent *a)
{
	return jobs_is_connected(a->jobs);
}

void
agent_stats(const struct agent *a, struct buf *b)
{
	buf_addf(b, "delivered %llu, deferred %llu, failed %llu, kept %zu",
	    (unsigned long long)a->outcomes[OUTCOME_DELIVERED],
	    (unsigned long long)a->outcomes[OUTCOME_DEFERRED],
	    (unsigned long long)a->outcomes[OUTCOME_FAILED], agent_kept(a));
}
