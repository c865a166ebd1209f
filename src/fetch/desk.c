#include "fetch/desk.h"

#include <stdlib.h>
#include <unistd.h>

#include "fetch/inquiry.h"
#include "io/clock.h"
#include "io/peer.h"

enum { TICK_MS = 1000 };

struct asker {
	struct asker *next, **link; /* in the desk's list */
	struct desk  *desk;
	struct peer  *peer;
	size_t        n_waiters;
};

/* One question. */
struct waiter {
	struct waiter  *next, *before;     /* of all, in the order they came */
	struct waiter  *next_here, **link; /* at this inquiry */
	struct inquiry *inquiry;
	struct asker   *asker;
	uint64_t        q;
	uint64_t        came_ms;
};

struct desk {
	struct inquiries inquiries; /* first: where they are, the desk is */
	uv_loop_t       *loop;
	uv_timer_t       tick;
	struct asker    *askers;
	struct waiter   *first, *last;
	uint64_t         n_answers;
};

/* --- answers --- */

/* cached NULL, or a policy of the mode none: there is none that counts. */
static void
send_answer(struct asker *asker, uint64_t q, const struct sts_cached *cached,
    struct bytes why)
{
	struct msg_policy m = { .q = q, .text = why };
	struct buf        patterns, frame;

	buf_init(&patterns, FRAME_MAX);
	buf_init(&frame, FRAME_MAX);
	if (cached && cached->policy.mode != STS_NONE) {
		m.mode = (uint8_t)cached->policy.mode;
		m.n = (uint32_t)cached->policy.n_patterns;
		for (size_t i = 0; i < cached->policy.n_patterns; i++)
			frame_add_bytes(&patterns, cached->policy.patterns[i]);
	}
	m.patterns = buf_bytes(&patterns);
	msg_policy_add(&frame, &m);
	if (!patterns.failed && !frame.failed)
		peer_send(asker->peer, buf_bytes(&frame), NULL, 0);
	asker->desk->n_answers++;
	buf_finish(&frame);
	buf_finish(&patterns);
}

/* What is remembered, without asking anybody. */
static void
send_remembered(
    struct asker *asker, uint64_t q, struct bytes domain, struct bytes why)
{
	struct sts_cached cached;
	struct arena      arena;
	bool              is_known;

	arena_init(&arena, MEMORY_ARENA_MAX);
	is_known = memory_find(asker->desk->inquiries.memory, domain,
	    clock_now_ms(), &arena, &cached);
	send_answer(asker, q, is_known ? &cached : NULL, why);
	arena_finish(&arena);
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
add_waiter(struct waiter *w, struct inquiry *inquiry)
{
	struct desk *d = w->asker->desk;

	w->inquiry = inquiry;
	w->before = d->last;
	*(d->last ? &d->last->next : &d->first) = w;
	d->last = w;
	w->next_here = inquiry->waiters;
	w->link = &inquiry->waiters;
	if (w->next_here)
		w->next_here->link = &w->next_here;
	inquiry->waiters = w;
	w->asker->n_waiters++;
}

static void
on_inquired(struct inquiry *i, const struct sts_cached *cached, struct bytes why)
{
	while (i->waiters) {
		send_answer(i->waiters->asker, i->waiters->q, cached, why);
		free_waiter(i->waiters);
	}
}

/* The inquiry goes on; its end is for the next who asks. */
static void
give_up(struct waiter *w)
{
	send_remembered(w->asker, w->q, bytes_of(w->inquiry->domain),
	    BYTES("no answer in time"));
	free_waiter(w);
}

static void
on_tick(uv_timer_t *timer)
{
	struct desk *d = timer->data;
	uint64_t     now_ms = clock_monotonic_ms();

	while (d->first && now_ms - d->first->came_ms >= DESK_PATIENCE_MS)
		give_up(d->first);
}

/* --- questions --- */

/* Lower case. False: no domain of mail, or with our labels before it no name. */
static bool
read_domain(struct bytes text, char domain[DNS_NAME_MAX + 1])
{
	static const size_t longest = DNS_NAME_MAX - 2 - (sizeof "_mta-sts." - 1);

	if (text.n > longest || !dns_name_is_host(text) ||
	    bytes_equal(text, BYTES(".")) ||
	    !bytes_to_string(text, domain, DNS_NAME_MAX + 1))
		return false;
	for (char *c = domain; *c; c++)
		*c = byte_lower(*c);
	return true;
}

static void
ask(struct asker *asker, uint64_t q, struct bytes domain)
{
	static const struct bytes busy = BYTES_INIT("too many questions at once");
	struct inquiry *inquiry = NULL;
	struct waiter  *w = NULL;

	if (asker->n_waiters < DESK_ASKER_MAX)
		inquiry = inquiry_of(&asker->desk->inquiries, domain);
	if (inquiry && !inquiry->is_answered)
		w = calloc(1, sizeof *w);
	if (w == NULL) {
		send_remembered(asker, q, domain,
		    inquiry && inquiry->is_answered ? BYTES("") : busy);
		return;
	}
	w->asker = asker;
	w->q = q;
	w->came_ms = clock_monotonic_ms();
	add_waiter(w, inquiry);
}

static bool
on_ask_policy(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct asker         *asker = context;
	struct msg_ask_policy m;
	char                  domain[DNS_NAME_MAX + 1];

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_ask_policy_read(frame, &m))
		return false;
	if (read_domain(m.domain, domain))
		ask(asker, m.q, bytes_of(domain));
	else
		send_answer(asker, m.q, NULL, BYTES(""));
	return true;
}

static const struct peer_permit permits[] = {
	{ MSG_ASK_POLICY, NULL, on_ask_policy, 0 },
};

/* --- askers --- */

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

/* False: no memory. */
static bool
add_asker(struct desk *d, int socket)
{
	struct asker *asker = calloc(1, sizeof *asker);

	if (asker == NULL)
		return false;
	asker->desk = d;
	asker->peer = peer_open(d->loop, socket, permits,
	    sizeof permits / sizeof permits[0], on_gone, asker);
	if (asker->peer == NULL) {
		free(asker);
		return false;
	}
	asker->next = d->askers;
	asker->link = &d->askers;
	if (asker->next)
		asker->next->link = &asker->next;
	d->askers = asker;
	return true;
}

bool
desk_add(struct desk *d, enum peer_role role, int socket)
{
	if (role == ROLE_DNS) {
		dns_client_connect(d->inquiries.retrievals.dns, socket);
		return true;
	}
	if (role == ROLE_REMOTE && add_asker(d, socket))
		return true;
	close(socket);
	return false;
}

/* --- the desk --- */

struct desk *
desk_open(uv_loop_t *loop, struct memory *memory, struct bytes authorities)
{
	struct desk *d = calloc(1, sizeof *d);

	if (d == NULL || !inquiries_init(&d->inquiries, loop, memory, authorities,
	                     on_inquired)) {
		free(d);
		return NULL;
	}
	d->loop = loop;
	uv_timer_init(loop, &d->tick);
	d->tick.data = d;
	uv_timer_start(&d->tick, on_tick, TICK_MS, TICK_MS);
	return d;
}

void
desk_add_stats(const struct desk *d, struct buf *b)
{
	const struct inquiries *all = &d->inquiries;

	buf_addf(b,
	    "answers %llu, policies %zu, fetched %llu, failed %llu, open %zu",
	    (unsigned long long)d->n_answers, memory_policies(all->memory),
	    (unsigned long long)all->n_retrieved,
	    (unsigned long long)all->n_failed, all->n);
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
	inquiries_finish(&d->inquiries);
	uv_close((uv_handle_t *)&d->tick, free_desk);
}
