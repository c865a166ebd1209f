#include "lookup/extensions.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/peer.h"
#include "lookup/accounts.h"
#include "service/question.h"

enum {
	TICK_MS = 1000,
	KNOWN_MS = 60 * 1000, /* then an account may have got another home, or uid */
};

struct process {
	struct process    *next;
	struct extensions *extensions;
	uint64_t           serial;
	uint64_t           number;     /* in the order of their coming */
	bool               is_started; /* because we wanted it */
	struct peer       *peer;
};

struct extension_question {
	struct question    question; /* first */
	struct extensions *extensions;
	struct account    *account;
	struct process    *process; /* it has been asked; NULL: nobody has */
	unsigned           failures;
	extension_known   *known;
	void              *context;
};

struct extensions {
	uv_loop_t           *loop;
	uv_timer_t           timer; /* runs while questions are open */
	void               (*want)(struct bytes user);
	struct remembered    remembered;
	struct accounts      accounts;
	size_t               n_wanted; /* accounts that are not overdue */
	struct process      *first;
	uint64_t             n_come;    /* processes, ever */
	size_t               n_started; /* those that run because we wanted them */
	struct question_ring ring;
	size_t               n_open;
};

/* --- the end of a question --- */

/* It is out of the ring. The account may be forgotten with it. */
static void
discount(struct extension_question *q)
{
	q->extensions->n_open--;
	q->account->n_open--;
	accounts_drop_idle(&q->extensions->accounts, q->account);
}

static void
end(struct extension_question *q, enum extension_answer answer)
{
	question_take_out(&q->question);
	discount(q);
	q->known(answer, q->context);
	free(q);
}

static void
try_later(struct question *question)
{
	end((struct extension_question *)question, EXTENSION_TRY_LATER);
}

/*
 * A process whose user has stopped it is told of the account and never says so: the account
 * goes on waiting, but not in the place of somebody else's.
 */
static void
time_out(struct question *question)
{
	struct extension_question *q = (struct extension_question *)question;

	if (q->account->is_wanted && !q->account->is_overdue) {
		q->account->is_overdue = true;
		q->extensions->n_wanted--;
	}
	q->account->is_silent = true;
	try_later(question);
}

void
extensions_forget(struct extension_question *q)
{
	if (q == NULL)
		return;
	question_take_out(&q->question);
	discount(q);
	free(q);
}

static void
on_tick(uv_timer_t *timer)
{
	struct extensions *x = timer->data;

	question_fail_overdue(
	    &x->ring, EXTENSIONS_TIMEOUT_MS, clock_monotonic_ms());
	if (x->n_open == 0)
		uv_timer_stop(timer);
}

/* --- whom to ask --- */

/* A process is there, or is coming; or may be asked for. */
static bool
is_within_reach(const struct extensions *x, const struct account *account)
{
	return account->process || account->is_wanted ||
	    (x->n_wanted < EXTENSIONS_WANTED_MAX &&
	        x->n_started < EXTENSIONS_STARTED_MAX);
}

static void
want_process(struct extensions *x, struct account *account)
{
	if (account->is_wanted)
		return;
	account->is_wanted = true;
	account->wanted_at = x->n_come;
	x->n_wanted++;
	x->want(bytes_of(account->name));
}

/* A peer that is dead says so from the loop, and then it is asked again. */
static void
send_question(struct extension_question *q)
{
	q->process = q->account->process;
	peer_send(q->process->peer, q->question.frame, NULL, 0);
}

static struct extension_question *
as_extension(struct question *question)
{
	return (struct extension_question *)question;
}

/*
 * Those that nobody has been asked: ask, or want somebody who can be. Whoever has been
 * unlucky too often is told to try later.
 */
static void
pursue(struct extensions *x)
{
	struct question_ring hopeless;
	struct question     *next;

	question_ring_init(&hopeless, try_later);
	for (struct question *at = question_first(&x->ring); at; at = next) {
		struct extension_question *q = as_extension(at);

		next = question_next(&x->ring, at);
		if (q->process)
			continue;
		if (q->failures >= EXTENSIONS_TRIES ||
		    !is_within_reach(x, q->account)) {
			question_take_out(at);
			question_append(&hopeless, at);
		} else if (q->account->process) {
			send_question(q);
		} else {
			want_process(x, q->account);
		}
	}
	question_fail_all(&hopeless, false);
}

/* --- the processes --- */

static bool
on_extension(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct process            *process = context;
	struct extensions         *x = process->extensions;
	struct msg_extension       m;
	struct msg_ask_extension   asked;
	struct extension_question *q;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_extension_read(frame, &m) || m.answer > EXTENSION_TRY_LATER)
		return false;
	q = as_extension(question_find(&x->ring, m.q));
	/* it answers for those alone whom it serves */
	if (q == NULL || q->process != process)
		return true;
	q->account->is_silent = false;
	if (m.answer != EXTENSION_TRY_LATER &&
	    msg_ask_extension_read(q->question.frame, &asked))
		remembered_add(&x->remembered,
		    &(struct extension){ asked.user, asked.dash, asked.extension },
		    clock_monotonic_ms(), m.answer == EXTENSION_YES);
	end(q, (enum extension_answer)m.answer);
	return true;
}

static void
free_process(struct process *process)
{
	struct process **at = &process->extensions->first;

	while (*at != process)
		at = &(*at)->next;
	*at = process->next;
	if (process->is_started)
		process->extensions->n_started--;
	peer_close(process->peer);
	free(process);
}

/* What it was asked has failed, and somebody else is asked. */
static void
on_gone(struct peer *peer, const char *why, void *context)
{
	struct process    *process = context;
	struct extensions *x = process->extensions;

	(void)peer;
	(void)why;
	for (struct question *at = question_first(&x->ring); at;
	     at = question_next(&x->ring, at)) {
		struct extension_question *q = as_extension(at);

		if (q->process != process)
			continue;
		q->process = NULL;
		q->failures++;
	}
	accounts_forget_process(&x->accounts, process);
	free_process(process);
	pursue(x);
}

void
extensions_add_process(struct extensions *x, uint64_t serial, int socket)
{
	static const struct peer_permit permits[] = {
		{ MSG_EXTENSION, NULL, on_extension, 0 },
	};
	struct process *process = calloc(1, sizeof *process);

	if (process != NULL)
		process->peer = peer_open(x->loop, socket, permits,
		    sizeof permits / sizeof permits[0], on_gone, process);
	if (process == NULL || process->peer == NULL) {
		log_text("no memory for a process that knows extensions");
		free(process);
		close(socket);
		return;
	}
	process->extensions = x;
	process->serial = serial;
	process->number = ++x->n_come;
	process->next = x->first;
	x->first = process;
}

static struct process *
find_process(const struct extensions *x, uint64_t serial)
{
	struct process *process = x->first;

	while (process && process->serial != serial)
		process = process->next;
	return process;
}

/* Of two accounts with one uid the first has started it. */
static void
count_started(struct extensions *x, const struct account *account)
{
	struct process *process = account->process;

	if (process == NULL || process->is_started ||
	    process->number <= account->wanted_at)
		return;
	process->is_started = true;
	x->n_started++;
}

/* --- the supervisor's answer --- */

/* Nobody is of that name, whatever the tables say: he has no extensions. */
static void
end_without_user(struct extensions *x, const struct account *account)
{
	struct question_ring of_him;
	struct question     *at, *next;

	question_ring_init(&of_him, try_later);
	for (at = question_first(&x->ring); at; at = next) {
		next = question_next(&x->ring, at);
		if (as_extension(at)->account != account)
			continue;
		question_take_out(at);
		question_append(&of_him, at);
	}
	while ((at = question_first(&of_him)) != NULL)
		end(as_extension(at), EXTENSION_NO);
}

static void
count_failures(struct extensions *x, const struct account *account)
{
	for (struct question *at = question_first(&x->ring); at;
	     at = question_next(&x->ring, at))
		if (as_extension(at)->account == account)
			as_extension(at)->failures++;
}

void
extensions_deliver_for(struct extensions *x, const struct msg_deliver_for *m)
{
	struct account *account = accounts_find(&x->accounts, m->user);

	if (account == NULL || !account->is_wanted)
		return;
	if (!account->is_overdue)
		x->n_wanted--;
	account->is_wanted = account->is_overdue = account->is_silent = false;
	if (m->result == WANT_READY)
		account->process = find_process(x, m->serial);
	account->known_ms = clock_monotonic_ms();
	count_started(x, account);
	if (m->result == WANT_NO_USER && account->n_open > 0) {
		end_without_user(x, account);
		return;
	}
	/* also when it has ended since it was ready */
	if (account->process == NULL)
		count_failures(x, account);
	accounts_drop_idle(&x->accounts, account);
	pursue(x);
}

/* --- questions --- */

enum extension_answer
extensions_recall(struct extensions *x, const struct extension *extension)
{
	bool exists;

	if (!remembered_find(
	        &x->remembered, extension, clock_monotonic_ms(), &exists))
		return EXTENSION_TRY_LATER;
	return exists ? EXTENSION_YES : EXTENSION_NO;
}

/* With its frame behind it. NULL: no memory, or it is too large. */
static struct extension_question *
new_question(uint64_t number, const struct extension *extension)
{
	struct msg_ask_extension   m = { number, extension->user,
		extension->dash, extension->name };
	struct extension_question *q = NULL;
	struct buf                 frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_extension_add(&frame, &m);
	if (!frame.failed)
		q = calloc(1, sizeof *q + frame.len);
	if (q != NULL) {
		char *copy = (char *)q + sizeof *q;

		memcpy(copy, frame.p, frame.len);
		q->question.q = number;
		q->question.frame = (struct bytes){ copy, frame.len };
	}
	buf_finish(&frame);
	return q;
}

/* Of whom is silent one question finds out whether he still is. */
static bool
has_room(const struct extensions *x, const struct account *account)
{
	size_t max = account->is_silent ? 1 : EXTENSIONS_OPEN_ACCOUNT_MAX;

	return x->n_open < EXTENSIONS_OPEN_MAX && account->n_open < max &&
	    is_within_reach(x, account);
}

struct extension_question *
extensions_ask(struct extensions *x, const struct extension *extension,
    extension_known *known, void *context)
{
	struct account *account = accounts_get(&x->accounts, extension->user);
	struct extension_question *q = NULL;

	if (account == NULL)
		return NULL;
	if (account->n_open == 0 &&
	    clock_monotonic_ms() - account->known_ms >= KNOWN_MS)
		account->process = NULL;
	if (has_room(x, account))
		q = new_question(question_number(&x->ring), extension);
	if (q == NULL) {
		accounts_drop_idle(&x->accounts, account);
		return NULL;
	}
	q->extensions = x;
	q->account = account;
	q->known = known;
	q->context = context;
	q->question.asked_ms = clock_monotonic_ms();
	question_append(&x->ring, &q->question);
	x->n_open++;
	account->n_open++;
	if (account->process)
		send_question(q);
	else
		want_process(x, account);
	if (!uv_is_active((uv_handle_t *)&x->timer))
		uv_timer_start(&x->timer, on_tick, TICK_MS, TICK_MS);
	return q;
}

size_t
extensions_open(const struct extensions *x)
{
	return x->n_open;
}

/* --- all of it --- */

struct extensions *
extensions_new(uv_loop_t *loop, uint64_t seed, void (*want)(struct bytes user))
{
	struct extensions *x = calloc(1, sizeof *x);

	if (x == NULL || !remembered_init(&x->remembered, seed)) {
		free(x);
		return NULL;
	}
	x->loop = loop;
	x->want = want;
	question_ring_init(&x->ring, time_out);
	uv_timer_init(loop, &x->timer);
	x->timer.data = x;
	return x;
}

static void
free_closed(uv_handle_t *timer)
{
	free(timer->data);
}

void
extensions_free(struct extensions *x)
{
	if (x == NULL)
		return;
	for (struct question *q; (q = question_first(&x->ring)) != NULL;)
		extensions_forget(as_extension(q));
	while (x->first)
		free_process(x->first);
	accounts_finish(&x->accounts);
	remembered_finish(&x->remembered);
	uv_close((uv_handle_t *)&x->timer, free_closed);
}
