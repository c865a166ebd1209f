#include "proto/frame.h"

static void
add_int(struct buf *b, uint64_t v, size_t n)
{
	char bytes[8];

	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(v >> (8 * i));
	buf_add(b, bytes, n);
}

void
frame_add_u8(struct buf *b, uint8_t v)
{
	add_int(b, v, 1);
}

void
frame_add_u16(struct buf *b, uint16_t v)
{
	add_int(b, v, 2);
}

void
frame_add_u32(struct buf *b, uint32_t v)
{
	add_int(b, v, 4);
}

void
frame_add_u64(struct buf *b, uint64_t v)
{
	add_int(b, v, 8);
}

void
frame_add_bytes(struct buf *b, struct bytes v)
{
	if (v.n > UINT32_MAX) {
		b->failed = true;
		return;
	}
	frame_add_u32(b, (uint32_t)v.n);
	buf_add_bytes(b, v);
}

struct frame_reader
frame_reader_of(struct bytes frame)
{
	return (struct frame_reader){ .rest = frame };
}

static uint64_t
read_int(struct frame_reader *r, size_t n)
{
	uint64_t v = 0;

	if (r->failed || r->rest.n < n) {
		r->failed = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)(unsigned char)r->rest.p[i] << (8 * i);
	r->rest = bytes_from(r->rest, n);
	return v;
}

uint8_t
frame_u8(struct frame_reader *r)
{
	return (uint8_t)read_int(r, 1);
}

uint16_t
frame_u16(struct frame_reader *r)
{
	return (uint16_t)read_int(r, 2);
}

uint32_t
frame_u32(struct frame_reader *r)
{
	return (uint32_t)read_int(r, 4);
}

uint64_t
frame_u64(struct frame_reader *r)
{
	return read_int(r, 8);
}

struct bytes
frame_bytes(struct frame_reader *r)
{
	uint32_t     n = frame_u32(r);
	struct bytes v = { "", 0 };

	if (r->failed || r->rest.n < n) {
		r->failed = true;
		return v;
	}
	v = bytes_first(r->rest, n);
	r->rest = bytes_from(r->rest, n);
	return v;
}

bool
frame_end(const struct frame_reader *r)
{
	return !r->failed && r->rest.n == 0;
}

uint16_t
frame_type(struct bytes frame)
{
	struct frame_reader r = frame_reader_of(frame);

	return frame_u16(&r);
}
