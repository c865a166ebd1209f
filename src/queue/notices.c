#include "queue/notices.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "io/memfile.h"
#include "queue/bounce.h"
#include "queue/schedule_inside.h"
#include "service/event.h"

enum {
	GATHER_MS = 2000,        /* for others of the same message */
	LATER_MS = 5 * 60 * 1000, /* a notice that cannot be made is made then */
	PATH_BYTES = 1024,
	ARENA_BYTES = 128 * 1024,
};

struct notice {
	struct notice            *next; /* while it gathers */
	uint64_t                  begun_ms;
	struct bounce             bounce;
	struct flight            *flights[DSN_RECIPIENTS_MAX];
	size_t                    n;
	size_t                    users; /* flights whose FINISH is not back yet */
	bool                      is_stored;
	struct arena              arena; /* what put and envelope point to */
	struct envelope           envelope;
	struct envelope_recipient recipient;
	struct store_put          put;
	int                       body; /* -1: none yet */
};

/* --- the end of one --- */

static void
release(struct notice *notice)
{
	if (--notice->users > 0)
		return;
	if (notice->body >= 0)
		close(notice->body);
	arena_finish(&notice->arena);
	free(notice);
}

/*
 * Without its notice nothing may end badly: it fails again later. What went well goes on
 * without.
 */
static void
commit_untold(struct flight *f)
{
	struct store_finish *end = &f->end;

	end->caused = NULL;
	end->n_caused = 0;
	end->is_warned = false;
	if (end->outcome.kind == OUTCOME_FAILED) {
		end->outcome.kind = OUTCOME_DEFERRED;
		end->due_ms = clock_now_ms() + LATER_MS;
	}
	schedule_commit(f, end);
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
	release(notice);
}

/* --- making it --- */

/* The first bytes of the body; of one that cannot be read what there is. */
static void
read_original(const struct flight *f, struct buf *b)
{
	uint64_t left = f->lease.size_bytes <= DSN_WHOLE_MAX
	    ? f->lease.size_bytes
	    : DSN_HEADER_MAX;
	off_t    at = 0;
	ssize_t  n = 1;

	while (f->body >= 0 && left > 0 && n > 0) {
		char *room = buf_room(b, left);

		if (room == NULL)
			return;
		do
			n = pread(f->body, room, left, at);
		while (n == -1 && errno == EINTR);
		if (n > 0) {
			buf_grew(b, (size_t)n);
			left -= (uint64_t)n;
			at += n;
		}
	}
}

/* Programs and lists want no warning. */
static bool
is_unattended(const struct flight *f)
{
	struct buf original;
	bool       is;

	buf_init(&original, DSN_HEADER_MAX);
	read_original(f, &original);
	is = dsn_is_unattended(buf_bytes(&original));
	buf_finish(&original);
	return is;
}

/* Who wrote to an alias, without ORCPT, knows only that name of his recipient. */
static struct bytes
original_recipient(struct notice *notice, const struct store_lease *l)
{
	struct bytes text;
	struct buf   b;

	if (l->orcpt.n > 0 || !l->is_expanded)
		return l->orcpt;
	buf_init(&b, PATH_BYTES);
	buf_add_string(&b, "rfc822;");
	buf_add_bytes(&b, l->original);
	text = arena_copy(&notice->arena, buf_bytes(&b));
	buf_finish(&b);
	return text;
}

static void
describe(struct notice *notice, const struct flight *f, uint64_t now_ms,
    struct dsn_recipient *out)
{
	*out = (struct dsn_recipient){
		.action = notice->bounce.action,
		.address = f->lease.address,
		.orcpt = original_recipient(notice, &f->lease),
		.outcome = f->end.outcome,
		.last_attempt_ms = now_ms,
		.will_retry_until_ms = f->lease.arrival_ms +
		    f->schedule->config->queue_lifetime_ms,
	};
}

/* False: no memory. */
static bool
write_content(struct notice *notice, struct dsn *dsn, struct buf *content)
{
	struct dsn_recipient *recipients =
	    arena_alloc(&notice->arena, notice->n * sizeof *recipients);
	struct buf original;

	if (recipients == NULL)
		return false;
	buf_init(&original, DSN_HEADER_MAX);
	read_original(notice->flights[0], &original);
	for (size_t i = 0; i < notice->n; i++)
		describe(notice, notice->flights[i], dsn->now_ms, &recipients[i]);
	dsn->original = buf_bytes(&original);
	dsn->recipients = recipients;
	dsn->n_recipients = notice->n;
	dsn_add(content, dsn);
	buf_finish(&original);
	return !content->failed;
}

static struct bytes
address_of(struct notice *notice, const struct config *config)
{
	struct bytes address;
	struct buf   b;

	buf_init(&b, PATH_BYTES);
	bounce_add_path(&b, config, notice->bounce.to);
	address = b.failed ? (struct bytes){ NULL, 0 }
	                   : arena_copy(&notice->arena, buf_bytes(&b));
	buf_finish(&b);
	return address;
}

/* False: no memory. */
static bool
make(struct notice *notice, const struct schedule *s)
{
	const struct store_lease *l = &notice->flights[0]->lease;
	uint64_t                  now_ms = clock_now_ms();
	uint8_t                   random[ID_RANDOM];
	struct buf                content;
	struct dsn                dsn = {
		               .now_ms = now_ms,
		               .hostname = s->config->hostname,
		               .to = address_of(notice, s->config),
		               .is_double = notice->bounce.kind == BOUNCE_DOUBLE,
		               .reverse_path = l->reverse_path,
		               .original_id = l->id,
		               .arrival_ms = l->arrival_ms,
		               .envid = l->envid,
		               .ret = l->ret,
		               .smtputf8 = l->smtputf8,
		               .original_size = l->size_bytes,
	};

	if (dsn.to.p == NULL)
		return false;
	random_fill(random, sizeof random);
	dsn.id = id_make(now_ms, random);
	buf_init(&content, DSN_SIZE_MAX);
	if (write_content(notice, &dsn, &content))
		notice->body = memfile_of("notice", buf_bytes(&content));
	notice->envelope = bounce_envelope(&dsn.id, now_ms, dsn.to,
	    buf_bytes(&content), &notice->recipient);
	notice->put = (struct store_put){
		.envelope = &notice->envelope,
		.body = notice->body,
		.due_ms = now_ms,
	};
	buf_finish(&content);
	return notice->body >= 0;
}

/* The first ends in the transaction that stores it. */
static void
commit_first(struct notice *notice)
{
	struct flight *f = notice->flights[0];

	f->end.caused = &notice->put;
	f->end.n_caused = 1;
	schedule_commit(f, &f->end);
}

static void
close_notice(struct notices *n, struct notice *notice)
{
	notice->users = notice->n;
	if (make(notice, n->schedule))
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

/* NULL: no memory. */
static struct notice *
begin(const struct bounce *bounce)
{
	struct notice *notice = calloc(1, sizeof *notice);

	if (notice == NULL)
		return NULL;
	notice->bounce = *bounce;
	notice->begun_ms = clock_monotonic_ms();
	notice->body = -1;
	arena_init(&notice->arena, ARENA_BYTES);
	return notice;
}

static void
add(struct notice *notice, struct flight *f)
{
	notice->flights[notice->n++] = f;
	f->notice = notice;
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
		add(notice, f);
		if (notice->n < DSN_RECIPIENTS_MAX)
			return;
		unlink_notice(n, notice);
		close_notice(n, notice);
		return;
	}
	notice = begin(bounce);
	if (notice == NULL) {
		commit_untold(f);
		return;
	}
	add(notice, f);
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
	if (bounce.action == DSN_DELAYED && is_unattended(f))
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
		schedule_commit(notice->flights[i], &notice->flights[i]->end);
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
	release(notice);
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
