#include "queue/schedule.h"

#include <stdlib.h>

#include "io/clock.h"
#include "io/log.h"
#include "queue/notices.h"
#include "queue/routing.h"
#include "queue/schedule_inside.h"

enum {
	FLIGHTS_MAX = STORE_LEASES_MAX, /* on their way at once */
	ROOM_MIN = 64,        /* before a full window is filled again */
	SOON_MS = 1000,       /* there was no memory: try again then */
	PASSED_BY_MS = 50,    /* something is due that may not go: look again then */
	DUE_MAX_MS = 60 * 60 * 1000,
	LIMITS_ARENA = 64 * 1024 * 1024,
};

struct schedule *
schedule_new(uv_loop_t *loop, struct lookup_client *lookup)
{
	struct schedule *s = calloc(1, sizeof *s);
	uint64_t         seed;

	if (s == NULL)
		return NULL;
	random_fill(&seed, sizeof seed);
	s->loop = loop;
	s->lookup = lookup;
	s->last_again = &s->again;
	agents_init(&s->agents, loop, s);
	shares_init(&s->shares, seed);
	notices_init(&s->notices, s);
	arena_init(&s->limits, LIMITS_ARENA);
	uv_timer_init(loop, &s->timer);
	uv_timer_init(loop, &s->again_timer);
	s->timer.data = s->again_timer.data = s;
	return s;
}

void
schedule_set_desk(struct schedule *s, struct desk *desk)
{
	s->desk = desk;
}

struct agents *
schedule_agents(struct schedule *s)
{
	return &s->agents;
}

uint64_t
schedule_message_max(const struct config *config)
{
	return 2 * config->message_size + 1024 * 1024;
}

void
schedule_use(struct schedule *s, const struct config *config)
{
	s->config = config;
	shares_forget_ours(&s->shares);
	shares_add_ours(&s->shares, config->hostname);
	for (size_t i = 0; i < config->domains.n; i++)
		shares_add_ours(&s->shares, config->domains.v[i]);
}

/* --- leases --- */

static void
want_leases(struct schedule *s)
{
	struct store_want want = { .now_ms = clock_now_ms() };
	size_t            room = FLIGHTS_MAX - s->flights.n;

	arena_reset(&s->limits);
	if (!shares_limit(&s->shares, &s->limits, &want)) {
		log_text("no memory for what the queue wants");
		schedule_wake_at(s, want.now_ms + SOON_MS);
		return;
	}
	s->is_wanting = true;
	desk_want(s->desk, room < DESK_LEASES ? room : DESK_LEASES, &want);
}

void
schedule_wake(struct schedule *s)
{
	if (s->is_wanting)
		s->wake_again = true;
	if (!s->has_begun || !s->are_agents_known || s->is_paused ||
	    s->is_stopping || s->is_wanting)
		return;
	if (s->flights.n + ROOM_MIN > FLIGHTS_MAX) {
		s->has_more = true; /* the next that ends makes room */
		return;
	}
	want_leases(s);
}

static void
on_due(uv_timer_t *timer)
{
	schedule_wake(timer->data);
}

/* Too early costs a look, too late a message its time. */
void
schedule_wake_at(struct schedule *s, uint64_t due_ms)
{
	uint64_t now = clock_now_ms();
	uint64_t wait = due_ms > now ? due_ms - now : 1;

	if (due_ms == UINT64_MAX || s->is_stopping)
		return;
	if (wait > DUE_MAX_MS)
		wait = DUE_MAX_MS;
	if (!uv_is_active((uv_handle_t *)&s->timer) ||
	    uv_timer_get_due_in(&s->timer) > wait)
		uv_timer_start(&s->timer, on_due, wait, 0);
}

static void
begin_flight(
    struct schedule *s, struct desk_leases *leases, size_t i)
{
	const struct store_lease *l = &leases->list[i];
	struct flight *f = flight_new(&s->flights, &l->id, l->recipient);

	if (f == NULL) { /* it stays leased until we are restarted */
		log_text("no memory for a recipient of %s", id_text(&l->id).p);
		leases->users--;
		return;
	}
	f->schedule = s;
	f->lease = *l;
	f->leases = leases;
	f->body = leases->bodies[i];
	f->begun_ms = clock_monotonic_ms();
	f->share = shares_enter(&s->shares, l->address);
	routing_ask(f);
}

void
schedule_leased(struct desk_leases *leases, void *context)
{
	struct schedule *s = context;
	bool             wake_again = s->wake_again;
	uint64_t         now = clock_now_ms();

	s->is_wanting = s->wake_again = false;
	if (leases == NULL) {
		schedule_wake_at(s, now + SOON_MS);
		return;
	}
	/* What is due and was not leased was passed by: its destination has its share. */
	s->has_more = leases->n == DESK_LEASES || leases->next_due_ms <= now;
	if (leases->next_due_ms > now)
		schedule_wake_at(s, leases->next_due_ms);
	else if (leases->n < DESK_LEASES)
		schedule_wake_at(s, now + PASSED_BY_MS);
	else
		wake_again = true;
	/* One user of our own, so that no flight frees the list under us. */
	leases->users++;
	for (size_t i = 0; i < leases->n; i++)
		begin_flight(s, leases, i);
	if (--leases->users == 0)
		desk_leases_release(leases);
	if (wake_again)
		schedule_wake(s);
}

void
schedule_forget_agent(struct schedule *s, const struct agent *agent)
{
	for (size_t i = 0; i < FLIGHT_BUCKETS; i++)
		for (struct flight *f = s->flights.buckets[i]; f;
		     f = f->next_in_table)
			if (f->agent == agent)
				f->agent = NULL;
}

struct flight *
schedule_find(
    const struct schedule *s, const struct id *id, uint32_t recipient)
{
	return flight_find(&s->flights, id, recipient);
}

void
schedule_agents_known(struct schedule *s)
{
	if (!s->has_begun || s->are_agents_known)
		return;
	s->are_agents_known = agents_are_known(&s->agents);
	schedule_wake(s);
}

/* --- begin, pause, stop --- */

void
schedule_begin(struct schedule *s)
{
	s->has_begun = true;
	schedule_agents_known(s);
}

static void
on_all_due(struct desk_request *r)
{
	struct schedule *s = r->context;

	s->is_retrying_all = false;
	if (r->op.result == STORE_UNKNOWN)
		log_text("the queue could not make everything due");
	else
		log_text("%llu recipients are due now",
		    (unsigned long long)r->op.kicked);
	schedule_wake(s);
}

void
schedule_trust_nothing(struct schedule *s)
{
	agents_retry_all(&s->agents);
}

void
schedule_retry_all(struct schedule *s)
{
	schedule_trust_nothing(s);
	if (s->is_retrying_all)
		return;
	s->is_retrying_all = true;
	s->retry_all = (struct desk_request){
		.op = { .kind = STORE_KICK_ALL, .now_ms = clock_now_ms() },
		.done = on_all_due,
		.context = s,
	};
	desk_commit(s->desk, &s->retry_all);
}

void
schedule_pause(struct schedule *s, bool on)
{
	s->is_paused = on;
	if (!on)
		schedule_wake(s);
}

size_t
schedule_stop(struct schedule *s)
{
	size_t n = s->flights.n;

	s->is_stopping = true;
	uv_timer_stop(&s->timer);
	agents_stop(&s->agents);
	notices_hurry(&s->notices);
	return n;
}

bool
schedule_is_empty(const struct schedule *s)
{
	return s->flights.n == 0 && !s->is_wanting && !s->is_retrying_all;
}
