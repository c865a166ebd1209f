#include "remote/desk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mix.h"
#include "io/clock.h"
#include "proto/message.h"
#include "remote/desk_inside.h"

enum {
	TICK_MS = 10 * 1000,
	ARENA_MAX = 64 * 1024,
	REMEMBERED_MAX = 10000, /* destinations; then those that are down are forgotten, too */
};

/* --- rings --- */

static void
ring_init(struct turn *ring)
{
	ring->next = ring->before = ring;
}

static void
ring_add(struct turn *ring, struct turn *turn)
{
	if (turn->next)
		return;
	turn->next = ring;
	turn->before = ring->before;
	ring->before->next = turn;
	ring->before = turn;
}

static void
ring_take_out(struct turn *turn)
{
	if (turn->next == NULL)
		return;
	turn->before->next = turn->next;
	turn->next->before = turn->before;
	turn->next = turn->before = NULL;
}

static bool
ring_is_empty(const struct turn *ring)
{
	return ring->next == ring;
}

/* --- connections --- */

static void
count_busy(struct desk *desk, struct destination *d, bool is_busy)
{
	if (is_busy && !d->is_busy)
		desk->n_busy++;
	else if (!is_busy && d->is_busy)
		desk->n_busy--;
	d->is_busy = is_busy;
}

static void
recount(struct desk *desk, struct destination *d)
{
	count_busy(desk, d, d->n_connections > 0 || d->wanting.next != NULL);
}

/* There is room for a connection: whoever waits longest may have it. */
static void
pass_turn(struct desk *desk)
{
	struct turn *turn = desk->wanting.next;

	if (ring_is_empty(&desk->wanting) ||
	    desk->n_connections >= desk->max_connections)
		return;
	ring_take_out(turn);
	turn->destination->has_turn = true;
	recount(desk, turn->destination);
	desk_attend(desk, turn->destination);
}

/* What is left for each; a stalled one gets no more while others wait. */
static size_t
share(const struct desk *desk)
{
	size_t n = desk->n_busy > 0 ? desk->max_connections / desk->n_busy : 0;

	return n > 0 ? n : 1;
}

bool
desk_has_waiting(const struct desk *desk)
{
	return !ring_is_empty(&desk->wanting);
}

bool
desk_wants_back(const struct desk *desk, const struct destination *d)
{
	return desk_has_waiting(desk) && d->n_connections > share(desk);
}

static void
shed_one(struct desk *desk)
{
	for (struct turn *t = desk->all.next; t != &desk->all; t = t->next)
		if (destination_shed(t->destination))
			return;
}

bool
desk_take_connection(struct desk *desk, struct destination *d)
{
	/* who has some waits until others have their first */
	bool is_allowed = d->has_turn || d->n_connections == 0 ||
	    ring_is_empty(&desk->wanting);

	if (is_allowed && desk->n_connections < desk->max_connections) {
		desk->n_connections++;
		d->has_turn = false;
		ring_take_out(&d->wanting);
		count_busy(desk, d, true);
		return true;
	}
	ring_add(&desk->wanting, &d->wanting);
	recount(desk, d);
	shed_one(desk);
	return false;
}

void
desk_give_connection_back(struct desk *desk, struct destination *d)
{
	desk->n_connections--;
	recount(desk, d);
	pass_turn(desk);
}

/* --- attention --- */

static void
attend(struct desk *desk, struct destination *d)
{
	destination_attend(d);
	if (d->has_turn) { /* it has no use for it now */
		d->has_turn = false;
		pass_turn(desk);
	}
}

static void
on_idle(uv_idle_t *idle)
{
	struct desk *desk = idle->data;
	struct turn  now;

	/* those that are here; what they cause is for the next turn of the loop */
	ring_init(&now);
	while (!ring_is_empty(&desk->attention)) {
		struct turn *turn = desk->attention.next;

		ring_take_out(turn);
		ring_add(&now, turn);
	}
	while (!ring_is_empty(&now)) {
		struct turn *turn = now.next;

		ring_take_out(turn);
		attend(desk, turn->destination);
	}
	if (ring_is_empty(&desk->attention))
		uv_idle_stop(&desk->idle);
	desk->changed();
}

void
desk_attend(struct desk *desk, struct destination *d)
{
	ring_add(&desk->attention, &d->attention);
	uv_idle_start(&desk->idle, on_idle);
}

/* --- destinations --- */

static struct destination **
place(struct desk *desk, struct bytes key)
{
	uint64_t             hash = desk->seed;
	struct destination **at;

	for (size_t i = 0; i < key.n; i++)
		hash = mix(hash ^ (unsigned char)key.p[i]);
	at = &desk->buckets[hash % DESK_BUCKETS];
	while (*at && !bytes_equal((*at)->to.key, key))
		at = &(*at)->next_in_table;
	return at;
}

static void
remove_destination(struct desk *desk, struct destination *d)
{
	if (!d->is_retired)
		*place(desk, d->to.key) = d->next_in_table;
	ring_take_out(&d->all);
	desk->n_destinations--;
	destination_free(d);
}

static void
on_tick(uv_timer_t *timer)
{
	struct desk *desk = timer->data;
	struct turn *turn, *next;
	uint64_t     now_ms = clock_monotonic_ms();

	for (turn = desk->all.next; turn != &desk->all; turn = next) {
		struct destination *d = turn->destination;

		next = turn->next;
		if (destination_is_over(d, now_ms) ||
		    (desk->n_destinations > REMEMBERED_MAX &&
		        destination_is_quiet(d)))
			remove_destination(desk, d);
	}
}

/* NULL: no memory; the arena is then the caller's. */
static struct destination *
add_destination(struct desk *desk, const struct arena *arena,
    const struct itinerary *to, struct destination **at)
{
	struct destination *d = destination_new(desk, arena, to);

	if (d == NULL)
		return NULL;
	*at = d;
	ring_add(&desk->all, &d->all);
	desk->n_destinations++;
	return d;
}

/* --- parcels --- */

void
desk_end(struct desk *desk, struct parcel *p, const struct outcome *outcome)
{
	desk->outcomes[outcome->kind]++;
	if (p->body != -1)
		close(p->body);
	p->body = -1;
	jobs_end(desk->jobs, &p->job, outcome);
}

static void
end_at_once(struct desk *desk, struct parcel *p, enum itinerary_result why)
{
	static const struct {
		enum outcome_kind kind;
		struct status     status;
		const char       *text;
	} rows[] = {
		[ITINERARY_BAD_DOMAIN] = { OUTCOME_FAILED, { 5, 1, 3 },
		    "this is no domain to which mail could go" },
		[ITINERARY_NO_PASSWORD] = { OUTCOME_DEFERRED, { 4, 7, 8 },
		    "there is no password for the smart host" },
		[ITINERARY_NO_MEMORY] = { OUTCOME_DEFERRED, { 4, 3, 0 },
		    "no memory" },
	};
	struct outcome o = outcome_of(
	    rows[why].kind, rows[why].status, bytes_of(rows[why].text));

	desk_end(desk, p, &o);
}

static void
put_in_line(struct desk *desk, struct parcel *p)
{
	struct arena         arena;
	struct itinerary     to;
	enum itinerary_result result;
	struct destination **at, *d;

	arena_init(&arena, ARENA_MAX);
	result = itinerary_of(desk->config, buf_bytes(&desk->passwords),
	    p->domain, &arena, &to);
	if (result == ITINERARY_OK) {
		at = place(desk, to.key);
		d = *at ? *at : add_destination(desk, &arena, &to, at);
		if (d == NULL)
			result = ITINERARY_NO_MEMORY;
		else if (d->to.key.p == to.key.p)
			arena_init(&arena, 0); /* it is the destination's now */
	}
	if (result == ITINERARY_OK)
		destination_add(d, p);
	else
		end_at_once(desk, p, result);
	arena_finish(&arena);
}

static struct job *
read_parcel(struct bytes frame, int *body, void *context)
{
	(void)context;
	return (struct job *)parcel_read(frame, body);
}

static void
begin_parcel(struct job *job, void *context)
{
	put_in_line(context, (struct parcel *)job);
}

static void
free_parcel(struct job *job, void *context)
{
	struct parcel *p = (struct parcel *)job;

	(void)context;
	if (p->batch) {
		batch_give_up(p->batch, p);
		return;
	}
	if (p->destination)
		destination_remove(p->destination, p);
	parcel_free(p);
}

static void
on_queue_lost(void *context)
{
	struct desk *desk = context;

	for (struct turn *t = desk->all.next; t != &desk->all; t = t->next)
		destination_abandon(t->destination);
}

static void
on_jobs_changed(void *context)
{
	((struct desk *)context)->changed();
}

/* Who asks for it knows, or hopes, that what was down is up again. */
static void
on_retry(void *context)
{
	struct desk *desk = context;

	for (struct turn *t = desk->all.next; t != &desk->all; t = t->next)
		concurrency_retry(&t->destination->concurrency);
}

static const struct jobs_calls job_calls = {
	.read = read_parcel,
	.begin = begin_parcel,
	.free = free_parcel,
	.lost = on_queue_lost,
	.retry = on_retry,
	.changed = on_jobs_changed,
};

/* --- the door --- */

struct desk *
desk_new(uv_loop_t *loop, void (*changed)(void))
{
	struct desk *desk = calloc(1, sizeof *desk);

	if (desk == NULL)
		return NULL;
	desk->loop = loop;
	desk->changed = changed;
	ring_init(&desk->attention);
	ring_init(&desk->wanting);
	ring_init(&desk->all);
	random_fill(&desk->seed, sizeof desk->seed);
	desk->jobs = jobs_new(loop, MSG_REMOTE, &job_calls, desk);
	desk->resolver.dns = dns_client_new(loop);
	desk->resolver.policies = policy_client_new(loop);
	if (!desk->jobs || !desk->resolver.dns || !desk->resolver.policies)
		return NULL; /* and the process ends */
	uv_idle_init(loop, &desk->idle);
	uv_timer_init(loop, &desk->timer);
	desk->idle.data = desk->timer.data = desk;
	uv_timer_start(&desk->timer, on_tick, TICK_MS, TICK_MS);
	return desk;
}

/* What is in line at a destination of the old configuration goes there still. */
static void
retire_all(struct desk *desk)
{
	memset(desk->buckets, 0, sizeof desk->buckets);
	for (struct turn *t = desk->all.next; t != &desk->all; t = t->next)
		t->destination->is_retired = true;
}

static size_t
least(uint64_t a, uint64_t b)
{
	return (size_t)(a < b ? a : b);
}

void
desk_use(struct desk *desk, const struct config *config,
    struct tls_context *tls, struct buf *passwords)
{
	retire_all(desk);
	tls_context_drop(desk->tls);
	desk->tls = tls;
	buf_wipe(&desk->passwords);
	desk->passwords = *passwords;
	*passwords = (struct buf){ 0 };
	desk->config = config;
	desk->max_connections = (size_t)config->remote_connections;
	/* nobody has them all */
	desk->max_per_destination = least(config->remote_per_destination,
	    (config->remote_connections + 1) / 2);
	desk->timeout_ms = config->remote_timeout_ms;
	desk->connect_timeout_ms = config->connect_timeout_ms;
	pass_turn(desk);
}

void
desk_connect_queue(struct desk *desk, int socket)
{
	jobs_connect(desk->jobs, socket);
}

void
desk_connect_dns(struct desk *desk, int socket)
{
	dns_client_connect(desk->resolver.dns, socket);
}

void
desk_connect_fetch(struct desk *desk, int socket)
{
	policy_client_connect(desk->resolver.policies, socket);
}

void
desk_stop(struct desk *desk)
{
	desk->is_stopping = true;
	jobs_stop(desk->jobs);
	for (struct turn *t = desk->all.next; t != &desk->all; t = t->next)
		destination_stop(t->destination);
}

bool
desk_is_quiet(const struct desk *desk)
{
	return desk->n_connections == 0;
}

bool
desk_is_acknowledged(const struct desk *desk)
{
	return jobs_kept(desk->jobs) == jobs_waiting(desk->jobs) ||
	    !jobs_is_connected(desk->jobs);
}

size_t
desk_given_back(const struct desk *desk)
{
	return jobs_waiting(desk->jobs);
}

void
desk_stats(const struct desk *desk, struct buf *b)
{
	buf_addf(b, "delivered %llu, deferred %llu, failed %llu, waiting %zu, "
	            "kept %zu, connections %zu, destinations %zu",
	    (unsigned long long)desk->outcomes[OUTCOME_DELIVERED],
	    (unsigned long long)desk->outcomes[OUTCOME_DEFERRED],
	    (unsigned long long)desk->outcomes[OUTCOME_FAILED],
	    jobs_waiting(desk->jobs), jobs_kept(desk->jobs), desk->n_connections,
	    desk->n_destinations);
}
