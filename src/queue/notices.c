#include "queue/notices.h"

#include "io/clock.h"
#include "io/log.h"
#include "queue/landing.h"
#include "queue/notice.h"
#include "queue/schedule_inside.h"
#include "service/event.h"

enum {
	GATHER_MS = 2000,         /* for others of the same message */
	LATER_MS = 5 * 60 * 1000, /* what cannot be told is tried again then */
};

/* --- what cannot be told --- */

/*
 * Without its notice nothing may end badly: it fails again later. What went well goes on
 * without.
 */
static void
commit_untold(struct flight *f)
{
	struct store_finish *end = &f->end;

	end->n_caused = f->forward ? 1 : 0;
	end->is_warned = false;
	if (end->outcome.kind == OUTCOME_FAILED) {
		end->outcome.kind = OUTCOME_DEFERRED;
		end->due_ms = clock_now_ms() + LATER_MS;
	}
	landing_commit(f, end);
}

static void
give_up(struct notice *notice, const char *why)
{
	const size_t n = notice->n;

	log_text("no notification of %s: %s",
	    id_text(&notice->flights[0]->lease.id).p, why);
	for (size_t i = 0; i < n; i++) {
		struct flight *f = notice->flights[i];

		f->notice = NULL;
		commit_untold(f);
	}
	notice->users = 1;
	notice_release(notice);
}

/* --- storing it --- */

/* The first ends in the transaction that stores it. */
static void
commit_first(struct notice *notice)
{
	struct flight *f = notice->flights[0];

	f->caused[f->end.n_caused++] = notice->put;
	f->end.caused = f->caused;
	landing_commit(f, &f->end);
}

static void
close_notice(struct notices *n, struct notice *notice)
{
	if (notice_make(notice, n->schedule->config))
		commit_first(notice);
	else
		give_up(notice, "no memory");
}

/* --- gathering --- */

static bool
is_of(const struct notice *notice, const struct flight *f,
    const struct bounce *bounce)
{
	const struct flight *first = notice->flights[0];

	return notice->bounce.kind == bounce->kind &&
	    notice->bounce.action == bounce->action &&
	    id_equal(&first->lease.id, &f->lease.id) &&
	    bytes_equal(first->lease.reverse_path, f->lease.reverse_path);
}

static void
unlink_notice(struct notices *n, struct notice *notice)
{
	struct notice **at = &n->first;

	while (*at != notice)
		at = &(*at)->next;
	*at = notice->next;
}

static void
on_gathered(uv_timer_t *timer)
{
	struct notices *n = timer->data;
	uint64_t        now = clock_monotonic_ms();

	while (n->first && now - n->first->begun_ms >= GATHER_MS) {
		struct notice *notice = n->first;

		n->first = notice->next;
		close_notice(n, notice);
	}
	if (n->first)
		uv_timer_start(&n->timer, on_gathered,
		    n->first->begun_ms + GATHER_MS - now, 0);
}

static void
gather(struct notices *n, struct notice *notice)
{
	struct notice **at = &n->first;

	while (*at)
		at = &(*at)->next;
	*at = notice;
	if (!uv_is_active((uv_handle_t *)&n->timer))
		uv_timer_start(&n->timer, on_gathered, GATHER_MS, 0);
}

static void
tell(struct notices *n, struct flight *f, const struct bounce *bounce)
{
	struct notice *notice = n->first;

	while (notice && !is_of(notice, f, bounce))
		notice = notice->next;
	if (notice) {
		notice_add(notice, f);
		if (notice->n < DSN_RECIPIENTS_MAX)
			return;
		unlink_notice(n, notice);
		close_notice(n, notice);
		return;
	}
	notice = notice_new(bounce);
	if (notice == NULL) {
		commit_untold(f);
		return;
	}
	notice_add(notice, f);
	if (f->lease.is_alone || n->is_hurried)
		close_notice(n, notice);
	else
		gather(n, notice);
}

static void
log_bounce(const struct flight *f, const struct bounce *bounce,
    const struct id *new, struct bytes to)
{
	struct event e = event_begin(bounce_name(bounce), &f->lease.id);

	event_path(&e, "rcpt", f->lease.address);
	event_path(&e, "to", to);
	if (new)
		event_text(&e, "new", bytes_of(id_text(new).p));
	event_end(&e);
}

void
notices_init(struct notices *n, struct schedule *s)
{
	*n = (struct notices){ .schedule = s };
	uv_timer_init(s->loop, &n->timer);
	n->timer.data = n;
}

bool
notices_take(
    struct notices *n, struct flight *f, const struct store_finish *end)
{
	struct bounce bounce =
	    bounce_for(n->schedule->config, &f->lease, end, f->is_remote);

	if (bounce.kind == BOUNCE_DISCARDED)
		log_bounce(f, &bounce, NULL, bounce.to);
	if (bounce.kind == BOUNCE_NONE || bounce.kind == BOUNCE_DISCARDED)
		return false;
	if (bounce.action == DSN_DELAYED && notice_is_for_a_program(f))
		return false;
	f->end = *end;
	tell(n, f, &bounce);
	return true;
}

/* --- what the store says --- */

static void
stored(struct notice *notice)
{
	const size_t n = notice->n;

	notice->is_stored = true;
	for (size_t i = 0; i < n; i++)
		log_bounce(notice->flights[i], &notice->bounce,
		    &notice->envelope.id, notice->recipient.address);
	for (size_t i = 1; i < n; i++)
		landing_commit(notice->flights[i], &notice->flights[i]->end);
}

/* The first was not leased any more: it says nothing of the others. */
static void
go_on_without_first(struct notice *notice)
{
	notice->n--;
	for (size_t i = 0; i < notice->n; i++)
		notice->flights[i] = notice->flights[i + 1];
	if (notice->n > 0)
		commit_first(notice);
}

bool
notices_written(
    struct notices *n, struct flight *f, enum store_result result)
{
	struct notice *notice = f->notice;

	(void)n;
	if (!notice->is_stored && result == STORE_REFUSED) {
		give_up(notice, "the store refuses it");
		return false;
	}
	if (!notice->is_stored && result == STORE_DONE)
		stored(notice);
	else if (!notice->is_stored)
		go_on_without_first(notice);
	f->notice = NULL;
	notice_release(notice);
	return true;
}

void
notices_hurry(struct notices *n)
{
	n->is_hurried = true;
	uv_timer_stop(&n->timer);
	while (n->first) {
		struct notice *notice = n->first;

		n->first = notice->next;
		close_notice(n, notice);
	}
}
