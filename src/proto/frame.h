/*
 * Frames between our own processes: a type, then the fields of that type in the
 * order of proto/message.h. Integers are little-endian, bytes carry their length.
 * One frame is one packet of a SOCK_SEQPACKET socketpair, at most FRAME_MAX bytes
 * and FRAME_DESCRIPTORS descriptors; what is larger travels in a sealed memory
 * file.
 */
#ifndef AMPEL_PROTO_FRAME_H
#define AMPEL_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { FRAME_MAX = 64 * 1024, FRAME_DESCRIPTORS = 4 };

void frame_add_u8(struct buf *b, uint8_t v);
void frame_add_u16(struct buf *b, uint16_t v);
void frame_add_u32(struct buf *b, uint32_t v);
void frame_add_u64(struct buf *b, uint64_t v);
void frame_add_bytes(struct buf *b, struct bytes v);

/* Reading fails once and remembers; what is read after that is zero. */
struct frame_reader {
	struct bytes rest;
	bool         failed;
};

struct frame_reader frame_reader_of(struct bytes frame);
uint8_t             frame_u8(struct frame_reader *r);
uint16_t            frame_u16(struct frame_reader *r);
uint32_t            frame_u32(struct frame_reader *r);
uint64_t            frame_u64(struct frame_reader *r);
struct bytes        frame_bytes(struct frame_reader *r); /* borrows from the frame */
/* Whether everything was there and everything was consumed. */
bool                frame_end(const struct frame_reader *r);

/* The type that a frame begins with; 0 when it is too short. */
uint16_t frame_type(struct bytes frame);

#endif
