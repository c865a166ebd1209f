/*
 * The list of a maildrop that mailbox hands to pop3d: one record of fixed size a message,
 * in the order of their numbers. The size is what RETR sends, lines ended by CRLF and
 * no dots doubled (RFC 1939 section 11).
 */
#ifndef AMPEL_PROTO_MAILDROP_H
#define AMPEL_PROTO_MAILDROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum {
	MAILDROP_UID_MAX = 70, /* RFC 1939 section 7: 1 to 70 of 0x21 to 0x7E */
	MAILDROP_RECORD = 80,  /* bytes */
	MAILDROP_MAX = 1000000, /* messages */
};

/* Of one message; those of a whole list can be added up. */
#define MAILDROP_OCTETS_MAX (UINT64_C(1) << 40)

struct maildrop_message {
	uint64_t     octets;
	struct bytes uid;
};

/* A message that is not of the form sets b->failed. */
void maildrop_add(struct buf *b, const struct maildrop_message *message);

/* Whether it is a list of n messages of the form; without that nothing below. */
bool   maildrop_is_list(struct bytes list, size_t n);
/* i from 0. The view borrows from list. */
struct maildrop_message maildrop_at(struct bytes list, size_t i);

#endif
