#include "queue/notice.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/memfile.h"
#include "mail/verp.h"
#include "queue/schedule_inside.h"

enum { PATH_BYTES = 1024, ARENA_BYTES = 128 * 1024 };

struct notice *
notice_new(const struct bounce *bounce)
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

void
notice_add(struct notice *notice, struct flight *f)
{
	notice->flights[notice->n++] = f;
	f->notice = notice;
}

void
notice_release(struct notice *notice)
{
	if (--notice->users > 0)
		return;
	if (notice->body >= 0)
		close(notice->body);
	arena_finish(&notice->arena);
	free(notice);
}

/* --- what it says --- */

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

bool
notice_is_for_a_program(const struct flight *f)
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
begin_dsn(struct notice *notice, const struct config *config, struct dsn *dsn)
{
	const struct store_lease *l = &notice->flights[0]->lease;
	uint8_t                   random[ID_RANDOM];
	uint64_t                  now_ms = clock_now_ms();

	random_fill(random, sizeof random);
	*dsn = (struct dsn){
		.id = id_make(now_ms, random),
		.now_ms = now_ms,
		.hostname = config->hostname,
		.to = address_of(notice, config),
		.is_double = notice->bounce.kind == BOUNCE_DOUBLE,
		.reverse_path = verp_base(l->reverse_path),
		.original_id = l->id,
		.arrival_ms = l->arrival_ms,
		.envid = l->envid,
		.ret = l->ret,
		.smtputf8 = l->smtputf8,
		.original_size = l->size_bytes,
	};
	return dsn->to.p != NULL;
}

bool
notice_make(struct notice *notice, const struct config *config)
{
	struct buf content;
	struct dsn dsn;

	notice->users = notice->n;
	if (!begin_dsn(notice, config, &dsn))
		return false;
	buf_init(&content, DSN_SIZE_MAX);
	if (write_content(notice, &dsn, &content))
		notice->body = memfile_of("notice", buf_bytes(&content));
	notice->envelope = bounce_envelope(&dsn.id, dsn.now_ms, dsn.to,
	    buf_bytes(&content), &notice->recipient);
	notice->put = (struct store_put){
		.envelope = &notice->envelope,
		.body = notice->body,
		.due_ms = dsn.now_ms,
	};
	buf_finish(&content);
	return notice->body >= 0;
}
