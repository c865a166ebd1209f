#include "proto/envelope_wire.h"

#include <string.h>

#include "proto/frame.h"

enum { VERSION = 1, RECIPIENT_LEAST = 13 }; /* three empty views and NOTIFY */

static void
add_verdict(struct buf *b, const struct verdict *v)
{
	frame_add_u8(b, (uint8_t)v->colour);
	frame_add_u8(b, v->has_score);
	frame_add_u64(b, (uint64_t)v->score_milli);
	frame_add_u64(b, (uint64_t)v->required_milli);
	frame_add_u64(b, (uint64_t)v->red_milli);
	frame_add_bytes(b, v->stage);
	frame_add_bytes(b, v->reason);
	frame_add_bytes(b, v->tests);
	frame_add_bytes(b, v->summary);
}

static void
add_recipient(struct buf *b, const struct envelope_recipient *r)
{
	frame_add_bytes(b, r->address);
	frame_add_bytes(b, r->original);
	frame_add_bytes(b, r->orcpt);
	frame_add_u8(b, r->notify);
}

void
envelope_add(struct buf *b, const struct envelope *e)
{
	frame_add_u8(b, VERSION);
	buf_add(b, e->id.bits, ID_BITS);
	frame_add_u64(b, e->arrival_ms);
	frame_add_bytes(b, e->reverse_path);
	frame_add_u8(b, (uint8_t)e->ret);
	frame_add_bytes(b, e->envid);
	frame_add_u8(b, (uint8_t)e->body);
	frame_add_u8(b, e->smtputf8);
	frame_add_bytes(b, e->user);
	frame_add_bytes(b, e->listener);
	frame_add_bytes(b, e->peer_address);
	frame_add_bytes(b, e->peer_name);
	frame_add_bytes(b, e->helo);
	frame_add_u8(b, e->esmtp);
	frame_add_bytes(b, e->tls);
	frame_add_u64(b, e->size_bytes);
	add_verdict(b, &e->verdict);
	frame_add_u32(b, (uint32_t)e->n_recipients);
	for (size_t i = 0; i < e->n_recipients; i++)
		add_recipient(b, &e->recipients[i]);
}

/* A value of an enum whose last member is `last`, or a flag (last 1). */
static uint8_t
read_choice(struct frame_reader *r, uint8_t last)
{
	uint8_t v = frame_u8(r);

	if (v > last)
		r->failed = true;
	return r->failed ? 0 : v;
}

static void
read_id(struct frame_reader *r, struct id *id)
{
	if (r->failed || r->rest.n < ID_BITS) {
		r->failed = true;
		return;
	}
	memcpy(id->bits, r->rest.p, ID_BITS);
	r->rest = bytes_from(r->rest, ID_BITS);
}

static void
read_verdict(struct frame_reader *r, struct verdict *v)
{
	v->colour = (enum colour)read_choice(r, COLOUR_ERROR);
	v->has_score = read_choice(r, 1);
	v->score_milli = (int64_t)frame_u64(r);
	v->required_milli = (int64_t)frame_u64(r);
	v->red_milli = (int64_t)frame_u64(r);
	v->stage = frame_bytes(r);
	v->reason = frame_bytes(r);
	v->tests = frame_bytes(r);
	v->summary = frame_bytes(r);
}

/* A count that the bytes behind it cannot hold takes no memory. */
static bool
read_recipients(
    struct frame_reader *r, struct arena *arena, struct envelope *out)
{
	uint32_t n = frame_u32(r);

	if (r->failed || n > ENVELOPE_RECIPIENTS_MAX ||
	    n > r->rest.n / RECIPIENT_LEAST)
		return false;
	out->n_recipients = n;
	if (n == 0)
		return true;
	out->recipients = arena_alloc(arena, n * sizeof *out->recipients);
	if (out->recipients == NULL)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		struct envelope_recipient *one = &out->recipients[i];

		one->address = frame_bytes(r);
		one->original = frame_bytes(r);
		one->orcpt = frame_bytes(r);
		one->notify = read_choice(r,
		    NOTIFY_NEVER | NOTIFY_SUCCESS | NOTIFY_FAILURE |
		        NOTIFY_DELAY);
	}
	return true;
}

bool
envelope_read(struct bytes wire, struct arena *arena, struct envelope *out)
{
	struct frame_reader r = frame_reader_of(wire);

	*out = (struct envelope){ .n_recipients = 0 };
	if (frame_u8(&r) != VERSION)
		return false;
	read_id(&r, &out->id);
	out->arrival_ms = frame_u64(&r);
	out->reverse_path = frame_bytes(&r);
	out->ret = (enum envelope_ret)read_choice(&r, RET_HDRS);
	out->envid = frame_bytes(&r);
	out->body = (enum envelope_body)read_choice(&r, BODY_BINARYMIME);
	out->smtputf8 = read_choice(&r, 1);
	out->user = frame_bytes(&r);
	out->listener = frame_bytes(&r);
	out->peer_address = frame_bytes(&r);
	out->peer_name = frame_bytes(&r);
	out->helo = frame_bytes(&r);
	out->esmtp = read_choice(&r, 1);
	out->tls = frame_bytes(&r);
	out->size_bytes = frame_u64(&r);
	read_verdict(&r, &out->verdict);
	return read_recipients(&r, arena, out) && frame_end(&r);
}
