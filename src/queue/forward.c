#include "queue/forward.h"

#include <stdlib.h>
#include <unistd.h>

#include "io/memfile.h"
#include "mail/address.h"
#include "mail/verp.h"
#include "proto/frame.h"

enum {
	LIST_MAX = 16 * 1024 * 1024,
	ARENA_BYTES = 2 * 1024 * 1024, /* the recipients and a path */
	FIELDS_MAX = 64 * 1024,        /* trace fields that deliver adds */
	PATH_BYTES = 512,
};

_Static_assert(FORWARD_TARGETS_MAX * sizeof(struct envelope_recipient) < ARENA_BYTES,
    "there is room for all of them");

static struct forward *
new_forward(void)
{
	struct forward *f = calloc(1, sizeof *f);

	if (f == NULL)
		return NULL;
	f->body = -1;
	arena_init(&f->arena, ARENA_BYTES);
	buf_init(&f->targets, LIST_MAX);
	return f;
}

void
forward_free(struct forward *f)
{
	if (f == NULL)
		return;
	if (f->body != -1)
		close(f->body);
	arena_finish(&f->arena);
	buf_finish(&f->targets);
	free(f);
}

/* --- what came --- */

/* In the form under which two addresses are the same recipient. */
static bool
is_canonical(struct bytes text, bool *is_utf8)
{
	struct address address;
	struct buf     canonical;
	bool           is;

	if (!address_parse_utf8(text, &address))
		return false;
	buf_init(&canonical, PATH_BYTES);
	address_add_canonical(&canonical, &address);
	is = !canonical.failed && bytes_equal(buf_bytes(&canonical), text);
	buf_finish(&canonical);
	*is_utf8 |= address.is_utf8;
	return is;
}

static enum forward_result
read_path(struct forward *f, struct bytes path)
{
	struct address address;

	if (path.n > 0) {
		if (!address_parse_utf8(verp_base(path), &address))
			return FORWARD_MALFORMED;
		f->envelope.smtputf8 |= address.is_utf8;
	}
	f->envelope.reverse_path = arena_copy(&f->arena, path);
	return f->envelope.reverse_path.p ? FORWARD_READ : FORWARD_UNUSABLE;
}

/* Whether that is the message; its descriptor is taken. */
static enum forward_result
read_body(struct forward *f, const struct msg_outcome *m, int *fd,
    uint64_t max_bytes)
{
	uint64_t size_bytes;

	if (memfile_check(*fd, INT64_MAX, &size_bytes) != MEMFILE_SEALED ||
	    size_bytes != m->forward_size)
		return FORWARD_MALFORMED;
	if (size_bytes > max_bytes && size_bytes - max_bytes > FIELDS_MAX)
		return FORWARD_UNUSABLE;
	f->body = *fd;
	*fd = -1;
	f->envelope.size_bytes = size_bytes;
	return FORWARD_READ;
}

/* The list is ours from here on. */
static enum forward_result
read_list(struct forward *f, const struct msg_outcome *m, int fd)
{
	uint64_t size_bytes;

	if (!m->is_large) {
		buf_add_bytes(&f->targets, m->targets);
	} else {
		if (memfile_check(fd, LIST_MAX, &size_bytes) != MEMFILE_SEALED)
			return FORWARD_MALFORMED;
		if (memfile_read(fd, 0, &f->targets) == -1)
			return FORWARD_UNUSABLE;
	}
	return f->targets.failed ? FORWARD_UNUSABLE : FORWARD_READ;
}

static enum forward_result
read_recipients(struct forward *f, uint32_t n)
{
	struct frame_reader        r = frame_reader_of(buf_bytes(&f->targets));
	struct envelope_recipient *list = arena_alloc(&f->arena, n * sizeof *list);

	if (list == NULL)
		return FORWARD_UNUSABLE;
	for (uint32_t i = 0; i < n; i++) {
		struct bytes address = frame_bytes(&r);

		if (!is_canonical(address, &f->envelope.smtputf8))
			return FORWARD_MALFORMED;
		list[i] = (struct envelope_recipient){
			.address = address,
			.original = address,
			.orcpt = BYTES(""),
		};
	}
	f->envelope.recipients = list;
	f->envelope.n_recipients = n;
	return frame_end(&r) ? FORWARD_READ : FORWARD_MALFORMED;
}

static enum forward_result
fill(struct forward *f, const struct msg_outcome *m, int *fds, uint64_t max_bytes)
{
	enum forward_result result = read_body(f, m, &fds[0], max_bytes);

	if (result == FORWARD_READ)
		result = read_path(f, m->forward_path);
	if (result == FORWARD_READ)
		result = read_list(f, m, m->is_large ? fds[1] : -1);
	if (result == FORWARD_READ)
		result = read_recipients(f, m->n);
	return result;
}

enum forward_result
forward_read(const struct msg_outcome *m, int *fds, size_t n_fds,
    uint64_t max_bytes, struct forward **out)
{
	struct forward     *f;
	struct id           id;
	enum forward_result result;

	*out = NULL;
	if (m->forward_id.n == 0)
		return n_fds == 0 ? FORWARD_NONE : FORWARD_MALFORMED;
	if (!id_read(m->forward_id, &id) || m->kind != OUTCOME_DELIVERED ||
	    n_fds != (m->is_large ? 2U : 1U) || m->n == 0 ||
	    m->n > FORWARD_TARGETS_MAX)
		return FORWARD_MALFORMED;
	f = new_forward();
	if (f == NULL)
		return FORWARD_UNUSABLE;
	f->envelope.id = id;
	result = fill(f, m, fds, max_bytes);
	if (result == FORWARD_READ)
		*out = f;
	else
		forward_free(f);
	return result;
}

/* --- what becomes of it --- */

/*
 * RFC 3461 section 5.2.7.2: whoever asked not to be told of failures is not told of those
 * behind us either. Of success he has been told, when the forward is stored.
 */
static void
pass_on_notify(struct envelope *e, const struct store_lease *from)
{
	uint8_t notify = from->notify & (NOTIFY_FAILURE | NOTIFY_DELAY);

	/* another reverse-path is that of a list, section 5.2.7.3 */
	if (!bytes_equal(e->reverse_path, from->reverse_path))
		return;
	e->ret = from->ret;
	if (from->notify != NOTIFY_UNSET && notify == 0)
		notify = NOTIFY_NEVER;
	for (size_t i = 0; i < e->n_recipients; i++)
		e->recipients[i].notify = notify;
}

void
forward_complete(
    struct forward *f, const struct store_lease *from, uint64_t now_ms)
{
	struct envelope *e = &f->envelope;

	e->arrival_ms = now_ms;
	pass_on_notify(e, from);
	e->envid = BYTES("");
	e->body = from->body;
	e->smtputf8 |= from->smtputf8;
	e->listener = BYTES("forward");
	e->verdict.colour = from->colour;
	f->put = (struct store_put){
		.envelope = e,
		.body = f->body,
		.due_ms = now_ms,
	};
}
