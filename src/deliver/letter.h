/*
 * A message as it lies in a Maildir: `Return-Path:` (RFC 5321 section 4.4) and
 * `Delivered-To:` on top of what the queue has. There is one at a time: its first
 * part, for most messages the whole, is in a buffer of this file.
 */
#ifndef AMPEL_DELIVER_LETTER_H
#define AMPEL_DELIVER_LETTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct job;

struct letter {
	struct bytes top;        /* the lines of ours, and what follows of the body */
	size_t       n_ours;     /* bytes of them */
	uint64_t     size_bytes; /* set by letter_write: on disk */
	uint64_t     wire_bytes; /* with CRLF */
};

/* Read the first part. -1 with errno; EIO: the body is shorter than the queue said. */
int letter_begin(struct letter *l, const struct job *job);
/* Whether it was delivered to that address before (DESIGN section 8). */
bool letter_has_been_at(const struct letter *l, struct bytes address);
/* Write all of it. -1 with errno. */
int letter_write(struct letter *l, const struct job *job, int fd);

#endif
