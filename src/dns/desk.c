#include "dns/desk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "io/memfile.h"
#include "io/peer.h"

enum {
	TICK_MS = 1000,
	COMPLAIN_MS = 60 * 1000,
	RECORDS_IN_FRAME = 48 * 1024,
};

struct asker {
	struct asker *next, **link; /* in the desk's list */
	struct desk  *desk;
	struct peer  *peer;
	size_t        n_waiters;
};

/* What the library is asked, once for all who wait; perhaps for nobody any more. */
struct question {
	struct errand    errand; /* first */
	struct question *next, **link; /* in the desk's list */
	struct desk     *desk;
	struct resolver *resolver;
	struct waiter   *waiters;
};

/* Who waits for it. */
struct waiter {
	struct waiter   *next, *before;     /* of all, in the order they came */
	struct waiter   *next_here, **link; /* at this question */
	struct question *question;
	struct asker    *asker;
	uint64_t         q;
	uint64_t         came_ms;
};

struct desk {
	uv_loop_t       *loop;
	uv_timer_t       tick;
	struct resolver *resolver, *old; /* old: until nobody waits for its answers */
	struct asker    *askers;
	struct question *questions;
	size_t           n_questions;
	struct waiter   *first, *last;
	uint64_t         answers[DNS_BOGUS + 1];
	uint64_t         shared;       /* answers that came with another's */
	uint64_t         complained_ms; /* 0: never */
};

/* --- errors --- */

/* Of our own, not of the DNS; at most one a minute. */
static void
complain(struct desk *d, const char *what, const char *why)
{
	uint64_t now_ms = clock_monotonic_ms();

	if (d->complained_ms != 0 && now_ms - d->complained_ms < COMPLAIN_MS)
		return;
	d->complained_ms = now_ms;
	log_text("%s: %s", what, why);
}

/* --- answers --- */

static void
send_answer(struct desk *d, struct peer *peer, uint64_t q,
    const struct msg_dns *answer)
{
	struct msg_dns m = *answer;
	struct buf     frame;
	int            fd = -1;

	m.q = q;
	if (m.records.n > RECORDS_IN_FRAME) {
		fd = memfile_of("records", m.records);
		if (fd == -1)
			complain(d, "cannot pass on an answer", strerror(errno));
		m.is_large = fd != -1;
		m.records = BYTES("");
	}
	if (answer->records.n > RECORDS_IN_FRAME && fd == -1)
		m = (struct msg_dns){ .q = q,
			.result = DNS_TRY_LATER,
			.text = BYTES("no memory for the answer") };
	buf_init(&frame, FRAME_MAX);
	msg_dns_add(&frame, &m);
	peer_send(peer, buf_bytes(&frame), &fd, fd == -1 ? 0 : 1);
	buf_finish(&frame);
	if (fd != -1)
		close(fd);
	d->answers[m.result]++;
}

static void
send_try_later(struct desk *d, struct peer *peer, uint64_t q, const char *why)
{
	const struct msg_dns m = { .result = DNS_TRY_LATER, .text = bytes_of(why) };

	send_answer(d, peer, q, &m);
}

/* --- who waits --- */

static void
free_waiter(struct waiter *w)
{
	struct desk *d = w->asker->desk;

	*(w->before ? &w->before->next : &d->first) = w->next;
	*(w->next ? &w->next->before : &d->last) = w->before;
	*w->link = w->next_here;
	if (w->next_here)
		w->next_here->link = w->link;
	w->asker->n_waiters--;
	free(w);
}

static void
give_up(struct waiter *w, const char *why)
{
	send_try_later(w->asker->desk, w->asker->peer, w->q, why);
	free_waiter(w);
}

static void
add_waiter(struct waiter *w, struct question *question)
{
	struct desk *d = question->desk;

	w->question = question;
	w->before = d->last;
	*(d->last ? &d->last->next : &d->first) = w;
	d->last = w;
	w->next_here = question->waiters;
	w->link = &question->waiters;
	if (w->next_here)
		w->next_here->link = &w->next_here;
	question->waiters = w;
	w->asker->n_waiters++;
}

/* --- questions --- */

static void
free_question(struct question *question)
{
	*question->link = question->next;
	if (question->next)
		question->next->link = question->link;
	question->desk->n_questions--;
	free(question);
}

static void
on_answered(struct errand *errand, const struct msg_dns *answer)
{
	struct question *question = (struct question *)errand;
	struct desk     *d = question->desk;

	while (question->waiters) {
		struct waiter *w = question->waiters;

		send_answer(d, w->asker->peer, w->q, answer);
		free_waiter(w);
		if (question->waiters)
			d->shared++;
	}
	free_question(question);
}

/* NULL: it has to be asked. */
static struct question *
find_question(struct desk *d, struct bytes name, uint16_t type)
{
	for (struct question *at = d->questions; at; at = at->next)
		if (at->resolver == d->resolver && at->errand.type == type &&
		    bytes_equal_nocase(name, bytes_of(at->errand.name)))
			return at;
	return NULL;
}

/* NULL: too many, or no memory. */
static struct question *
new_question(struct desk *d, struct bytes name, uint16_t type)
{
	struct question *question;

	if (d->n_questions >= DESK_QUESTIONS_MAX)
		return NULL;
	question = calloc(1, sizeof *question);
	if (question == NULL)
		return NULL;
	question->desk = d;
	question->resolver = d->resolver;
	question->errand.type = type;
	question->errand.answered = on_answered;
	bytes_to_string(name, question->errand.name, sizeof question->errand.name);
	for (char *c = question->errand.name; *c; c++)
		*c = byte_lower(*c);
	if (!resolver_ask(d->resolver, &question->errand)) {
		complain(d, "libunbound", "does not take a question");
		free(question);
		return NULL;
	}
	question->next = d->questions;
	question->link = &d->questions;
	if (question->next)
		question->next->link = &question->next;
	d->questions = question;
	d->n_questions++;
	return question;
}

static void
ask(struct asker *asker, const struct msg_ask_dns *m)
{
	struct desk     *d = asker->desk;
	struct question *question = find_question(d, m->name, m->type);
	struct waiter   *w;

	if (asker->n_waiters >= DESK_ASKER_MAX) {
		send_try_later(d, asker->peer, m->q, "too many questions at once");
		return;
	}
	w = calloc(1, sizeof *w);
	if (w && question == NULL)
		question = new_question(d, m->name, m->type);
	if (w == NULL || question == NULL) {
		send_try_later(d, asker->peer, m->q, "the resolver is too busy");
		free(w);
		return;
	}
	w->asker = asker;
	w->q = m->q;
	w->came_ms = clock_monotonic_ms();
	add_waiter(w, question);
}

/* --- askers --- */

static bool
on_ask_dns(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	static const struct msg_dns no_host = {
		.result = DNS_NO_NAME,
		.text = BYTES_INIT("that cannot be the name of a host"),
	};
	struct asker      *asker = context;
	struct msg_ask_dns m;

	(void)fds;
	(void)n_fds;
	if (!msg_ask_dns_read(frame, &m) || dns_type_name(m.type) == NULL)
		return false;
	if (dns_name_is_host(m.name))
		ask(asker, &m);
	else
		send_answer(asker->desk, peer, m.q, &no_host);
	return true;
}

static const struct peer_permit permits[] = {
	{ MSG_ASK_DNS, NULL, on_ask_dns, 0 },
};

static void
close_asker(struct asker *asker)
{
	struct waiter *next;

	for (struct waiter *w = asker->desk->first; w; w = next) {
		next = w->next;
		if (w->asker == asker)
			free_waiter(w);
	}
	*asker->link = asker->next;
	if (asker->next)
		asker->next->link = asker->link;
	peer_close(asker->peer);
	free(asker);
}

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	(void)peer;
	(void)why;
	close_asker(context);
}

/* NULL: no memory. */
static struct asker *
new_asker(struct desk *d, int socket)
{
	struct asker *asker = calloc(1, sizeof *asker);

	if (asker == NULL)
		return NULL;
	asker->desk = d;
	asker->peer = peer_open(d->loop, socket, permits,
	    sizeof permits / sizeof permits[0], on_gone, asker);
	if (asker->peer == NULL) {
		free(asker);
		return NULL;
	}
	asker->next = d->askers;
	asker->link = &d->askers;
	if (asker->next)
		asker->next->link = &asker->next;
	d->askers = asker;
	return asker;
}

bool
desk_add(struct desk *d, enum peer_role role, int socket)
{
	if ((role == ROLE_REMOTE || role == ROLE_FETCH || role == ROLE_LOOKUP ||
	        role == ROLE_ADMIN) &&
	    new_asker(d, socket))
		return true;
	close(socket);
	return false;
}

/* --- resolvers --- */

static bool
is_awaited(const struct desk *d, const struct resolver *resolver)
{
	for (const struct waiter *w = d->first; w; w = w->next)
		if (w->question->resolver == resolver)
			return true;
	return false;
}

/* What is still asked of it is answered by nobody. */
static void
close_resolver(struct desk *d, struct resolver *resolver)
{
	struct question *next;

	resolver_close(resolver);
	for (struct question *at = d->questions; at; at = next) {
		next = at->next;
		if (at->resolver != resolver)
			continue;
		while (at->waiters)
			give_up(at->waiters, "the configuration has changed");
		free_question(at);
	}
}

static void
close_old(struct desk *d)
{
	if (d->old)
		close_resolver(d, d->old);
	d->old = NULL;
}

void
desk_use(struct desk *d, struct resolver *resolver)
{
	close_old(d); /* two contexts and their caches are enough */
	d->old = d->resolver;
	d->resolver = resolver;
	if (d->old && !is_awaited(d, d->old))
		close_old(d);
}

/* --- the desk --- */

static void
on_tick(uv_timer_t *timer)
{
	struct desk *d = timer->data;
	uint64_t     now_ms = clock_monotonic_ms();

	while (d->first && now_ms - d->first->came_ms >= DESK_PATIENCE_MS)
		give_up(d->first, "no answer in time");
	if (d->old && !is_awaited(d, d->old))
		close_old(d);
}

struct desk *
desk_open(uv_loop_t *loop)
{
	struct desk *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	d->loop = loop;
	uv_timer_init(loop, &d->tick);
	d->tick.data = d;
	uv_timer_start(&d->tick, on_tick, TICK_MS, TICK_MS);
	return d;
}

void
desk_add_stats(const struct desk *d, struct buf *b)
{
	uint64_t sum = 0;

	for (size_t i = 0; i <= DNS_BOGUS; i++)
		sum += d->answers[i];
	buf_addf(b, "answers %llu, shared %llu, later %llu, bogus %llu, open %zu",
	    (unsigned long long)sum, (unsigned long long)d->shared,
	    (unsigned long long)d->answers[DNS_TRY_LATER],
	    (unsigned long long)d->answers[DNS_BOGUS], d->n_questions);
}

static void
free_desk(uv_handle_t *timer)
{
	free(timer->data);
}

void
desk_close(struct desk *d)
{
	if (d == NULL)
		return;
	while (d->askers)
		close_asker(d->askers);
	close_old(d);
	close_resolver(d, d->resolver);
	uv_close((uv_handle_t *)&d->tick, free_desk);
}
