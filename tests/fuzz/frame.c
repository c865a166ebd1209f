/*
 * A frame from another process, and an envelope. What is read is exactly what was
 * written: writing it again gives the same bytes, so no two frames mean the same and
 * nothing in one goes unread. A frame is at most one message.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/envelope_wire.h"
#include "proto/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 1024 * 1024 };

static void
check_same(struct buf *again, struct bytes frame)
{
	if (again->failed || !bytes_equal(buf_bytes(again), frame))
		abort();
	buf_finish(again);
}

#define M(lower, upper, fields) \
	static unsigned check_##lower(struct bytes frame) \
	{ \
		struct msg_##lower m; \
		struct buf         again; \
\
		if (!msg_##lower##_read(frame, &m)) \
			return 0; \
		buf_init(&again, frame.n); \
		msg_##lower##_add(&again, &m); \
		check_same(&again, frame); \
		return 1; \
	}
MESSAGES(M)
#undef M

static void
check_envelope(struct bytes wire)
{
	struct envelope e;
	struct arena    arena;
	struct buf      again;

	arena_init(&arena, ARENA_MAX);
	if (envelope_read(wire, &arena, &e)) {
		buf_init(&again, wire.n);
		envelope_add(&again, &e);
		check_same(&again, wire);
	}
	arena_finish(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes frame = { (const char *)data, size };
	unsigned     messages = 0;

#define M(lower, upper, fields) messages += check_##lower(frame);
	MESSAGES(M)
#undef M
	if (messages > 1)
		abort();
	if (messages == 1 && strcmp(message_name(frame_type(frame)), "UNKNOWN") == 0)
		abort();
	check_envelope(frame);
	return 0;
}
